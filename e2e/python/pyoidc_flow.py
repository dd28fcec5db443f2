"""What pyoidc does as a relying party, by its `Consumer`, with `browser.py` as the person: sign-in, user info, refresh, logout.

Environment: `AUTHMACHINE_URL`, `AUTHMACHINE_CLIENT_ID` and `AUTHMACHINE_CLIENT_SECRET` (without, it registers itself),
`AUTHMACHINE_SCOPE`, `REDIRECT_URI` and `POST_LOGOUT_REDIRECT_URI` (nothing needs to listen there), `RESPONSE_TYPE` (default
`code`), `RESPONSE_MODE` (default: the type's own), `CLIENT_AUTH` (default `client_secret_basic`), `REQUEST_OBJECT` (`request` or
`request_uri`: the request in a signed object), `LOGIN_USERNAME`, `LOGIN_PASSWORD`. Prints one JSON line; any failure is a traceback and exit code 1.
"""

import json
import os
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from Cryptodome.PublicKey import RSA
from jwkest.jwk import RSAKey
from oic.oic.consumer import Consumer
from oic.oic.message import RegistrationResponse
from oic.utils.authn.client import CLIENT_AUTHN_METHOD
from oic.utils.keyio import KeyBundle
from oic.utils.session_backend import DictSessionBackend

from browser import Browser
from listener import Listener

ENV = os.environ
REDIRECT_URI = ENV["REDIRECT_URI"]
BASE, _, PAGE = REDIRECT_URI.rpartition("/")
POST_LOGOUT_REDIRECT_URI = ENV["POST_LOGOUT_REDIRECT_URI"]
RESPONSE_TYPE = ENV.get("RESPONSE_TYPE") or "code"
REQUEST_OBJECT = ENV.get("REQUEST_OBJECT") or None
CLIENT_AUTH = ENV.get("CLIENT_AUTH") or "client_secret_basic"


def consumer():
    """It finds the provider by discovery, and registers itself there unless the operator has done it."""
    # The type as a list: in the text «id_token» it finds the type «token».
    config = {"authz_page": f"/{PAGE}", "scope": ENV["AUTHMACHINE_SCOPE"], "response_type": RESPONSE_TYPE.split()}
    rp = Consumer(DictSessionBackend(), config, {"client_authn_method": CLIENT_AUTHN_METHOD})
    rp.provider_config(ENV["AUTHMACHINE_URL"])
    if client_id := ENV.get("AUTHMACHINE_CLIENT_ID"):
        secret = ENV["AUTHMACHINE_CLIENT_SECRET"]
        rp.store_registration_info(
            RegistrationResponse(client_id=client_id, client_secret=secret, redirect_uris=[REDIRECT_URI])
        )
    else:
        register(rp)
    return rp


def register(rp):
    """With a key of its own: for client assertions and request objects."""
    own = KeyBundle()
    own.append(RSAKey(key=RSA.generate(2048), use="sig", kid="own"))
    rp.keyjar.add_kb("", own)
    rp.behaviour = {"request_object_signing_alg": "RS256"}
    # It keeps request objects in the working directory.
    os.chdir(tempfile.mkdtemp())
    Path("keys.json").write_text(json.dumps(rp.keyjar.export_jwks()))
    rp.base_url = f"{Listener(os.getcwd()).url}/"
    rp.register(
        rp.provider_info["registration_endpoint"],
        redirect_uris=[REDIRECT_URI],
        post_logout_redirect_uris=[POST_LOGOUT_REDIRECT_URI],
        response_types=[RESPONSE_TYPE],
        # A refresh it cannot authenticate by its key.
        grant_types=[] if CLIENT_AUTH == "private_key_jwt" else ["refresh_token"],
        token_endpoint_auth_method=CLIENT_AUTH,
        jwks_uri=f"{rp.base_url}keys.json",
        request_uris=[f"{rp.base_url}request.jwt"],
    )


def authorize(rp, browser, **more):
    """One trip to the authorization endpoint: the state, and what came back."""
    state, _ = rp.begin(use_nonce=True, path=BASE)
    if mode := ENV.get("RESPONSE_MODE"):
        more["response_mode"] = mode
    # `begin` takes no further parameters. A prompt it puts into an object as a list, which is none of the standard's.
    request = rp.construct_AuthorizationRequest(
        request_args=rp.authz_req[state].to_dict() | more,
        request_param=None if "prompt" in more else REQUEST_OBJECT,
    )
    return state, browser.go(request.request(rp.authorization_endpoint), REDIRECT_URI)


def sign_in(rp, browser, **more):
    """The same, and one to the token endpoint where a code came: state, way, tokens, ID token."""
    state, back = authorize(rp, browser, **more)
    # Verifies signature, issuer, audience, `nonce`, `at_hash` and `c_hash`.
    answer, tokens, id_token = rp.parse_authz(urlencode(back.parameters))
    if answer is not None and "code" in answer:
        # Not by `complete`: it knows secrets alone.
        tokens = rp.do_access_token_request(
            state=state, request_args={"redirect_uri": REDIRECT_URI}, authn_method=CLIENT_AUTH
        )
        id_token = tokens["id_token"]
    return state, back.way, tokens, id_token


def main():
    rp = consumer()
    browser = Browser(ENV["LOGIN_USERNAME"], ENV["LOGIN_PASSWORD"])
    # OIDC Core §11: offline access asks for consent.
    consent = {"prompt": "consent"} if "offline_access" in ENV["AUTHMACHINE_SCOPE"].split() else {}
    state, way, tokens, id_token = sign_in(rp, browser, **consent)
    result = {"came_by": way, "claims": id_token.to_dict(), "access_token": bool(tokens)}
    if "registration_client_uri" in rp.registration_response:
        result["registered"] = rp.registration_read().to_dict()
    if tokens:
        # Fails unless it is about the subject of the ID token.
        result["userinfo"] = rp.get_user_info(state).to_dict()
    if tokens and "refresh_token" in tokens:
        refreshed = rp.do_access_token_refresh(state=state, authn_method=CLIENT_AUTH)
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
