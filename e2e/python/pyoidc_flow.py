"""What pyoidc does as a relying party, by its `Consumer`, with `browser.py` as the person: sign-in, user info, refresh, logout.

Environment: `AUTHMACHINE_URL`, `AUTHMACHINE_CLIENT_ID`, `AUTHMACHINE_CLIENT_SECRET`, `AUTHMACHINE_SCOPE`, `REDIRECT_URI` and
`POST_LOGOUT_REDIRECT_URI` (nothing needs to listen there), `RESPONSE_TYPE`, `RESPONSE_MODE` (default: the type's own),
`LOGIN_USERNAME`, `LOGIN_PASSWORD`. Prints one JSON line; any failure is a traceback and exit code 1.
"""

import json
import os
from urllib.parse import urlencode

from oic.oic.consumer import Consumer
from oic.oic.message import RegistrationResponse
from oic.utils.authn.client import CLIENT_AUTHN_METHOD
from oic.utils.session_backend import DictSessionBackend

from browser import Browser

ENV = os.environ
REDIRECT_URI = ENV["REDIRECT_URI"]
POST_LOGOUT_REDIRECT_URI = ENV["POST_LOGOUT_REDIRECT_URI"]
RESPONSE_TYPE = ENV["RESPONSE_TYPE"]


def consumer():
    """It finds the provider by discovery; the operator has registered it."""
    base, _, page = REDIRECT_URI.rpartition("/")
    # As a list: in the text «id_token» it finds the type «token».
    config = {"authz_page": f"/{page}", "scope": ENV["AUTHMACHINE_SCOPE"], "response_type": RESPONSE_TYPE.split()}
    rp = Consumer(DictSessionBackend(), config, {"client_authn_method": CLIENT_AUTHN_METHOD})
    rp.base_url = base
    rp.provider_config(ENV["AUTHMACHINE_URL"])
    rp.store_registration_info(
        RegistrationResponse(
            client_id=ENV["AUTHMACHINE_CLIENT_ID"],
            client_secret=ENV["AUTHMACHINE_CLIENT_SECRET"],
            redirect_uris=[REDIRECT_URI],
        )
    )
    return rp


def authorize(rp, browser, **more):
    """One trip to the authorization endpoint: the state, and what came back."""
    state, url = rp.begin(use_nonce=True, path=rp.base_url)
    if mode := ENV.get("RESPONSE_MODE"):
        more["response_mode"] = mode
    return state, browser.go(f"{url}&{urlencode(more)}", REDIRECT_URI)


def sign_in(rp, browser, **more):
    """The same, and one to the token endpoint where a code came: state, way, tokens, ID token."""
    state, back = authorize(rp, browser, **more)
    # Verifies signature, issuer, audience, `nonce`, `at_hash` and `c_hash`.
    answer, tokens, id_token = rp.parse_authz(urlencode(back.parameters))
    if answer is not None and "code" in answer:
        tokens = rp.complete(state)
        id_token = tokens["id_token"]
    return state, back.way, tokens, id_token


def main():
    rp = consumer()
    browser = Browser(ENV["LOGIN_USERNAME"], ENV["LOGIN_PASSWORD"])
    # OIDC Core §11: offline access asks for consent.
    consent = {"prompt": "consent"} if "offline_access" in ENV["AUTHMACHINE_SCOPE"].split() else {}
    state, way, tokens, id_token = sign_in(rp, browser, **consent)
    result = {"came_by": way, "claims": id_token.to_dict(), "access_token": bool(tokens)}
    if tokens:
        # Fails unless it is about the subject of the ID token.
        result["userinfo"] = rp.get_user_info(state).to_dict()
    if tokens and "refresh_token" in tokens:
        refreshed = rp.do_access_token_refresh(state=state, authn_method="client_secret_basic")
        result["refreshed"] = refreshed["access_token"] != tokens["access_token"]
        result["refresh_rotated"] = refreshed["refresh_token"] != tokens["refresh_token"]
        result["subject_after_refresh"] = rp.get_user_info(state)["sub"]

    result["silent_subject"] = sign_in(rp, browser, prompt="none")[3]["sub"]
    request = rp.construct_EndSessionRequest(
        request_args={"post_logout_redirect_uri": POST_LOGOUT_REDIRECT_URI, "state": state}, id_token=id_token.jwt
    )
    back = browser.go(request.request(rp.end_session_endpoint), POST_LOGOUT_REDIRECT_URI)
    result["logout_state_returned"] = back.parameters.get("state") == state
    # Not by `parse_authz`: where it waits for an access token it takes no error.
    result["after_logout"] = authorize(rp, browser, prompt="none")[1].parameters.get("error")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
