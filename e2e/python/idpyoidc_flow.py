"""What `idpyoidc` does as a relying party, with `browser.py` as the person: sign-in, user info, refresh, single sign-on, logout.

Environment: `AUTHMACHINE_URL`, `AUTHMACHINE_CLIENT_ID` and `AUTHMACHINE_CLIENT_SECRET` (without, it registers itself),
`AUTHMACHINE_SCOPE`, `REDIRECT_URI` and `POST_LOGOUT_REDIRECT_URI` (nothing needs to listen there), `RESPONSE_TYPE` (default
`code`), `RESPONSE_MODE` (default: the type's own), `CLIENT_AUTH` (default `client_secret_basic`), `REQUEST_OBJECT` (any: the
request in a signed object), `SUBJECT_TYPE` (default `public`), `LOGIN_USERNAME`, `LOGIN_PASSWORD`. Prints one JSON
line; any failure is a traceback and exit code 1.
"""

import json
import os

from cryptojwt import KeyJar
from idpyoidc.client.defaults import DEFAULT_OIDC_SERVICES
from idpyoidc.client.rp_handler import RPHandler

from browser import TIMEOUT, Browser

ENV = os.environ
ISSUER = ENV["AUTHMACHINE_URL"]
REDIRECT_URI = ENV["REDIRECT_URI"]
POST_LOGOUT_REDIRECT_URI = ENV["POST_LOGOUT_REDIRECT_URI"]
SCOPES = ENV["AUTHMACHINE_SCOPE"].split()
RESPONSE_TYPE = ENV.get("RESPONSE_TYPE") or "code"
CLIENT_AUTH = ENV.get("CLIENT_AUTH") or "client_secret_basic"

ADD_ONS = {
    "pkce": {
        "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
        "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
    }
}
if ENV.get("REQUEST_OBJECT"):
    # Not by `request_param`: that makes an object whose audience is the text «request».
    ADD_ONS["jar"] = {
        "function": "idpyoidc.client.oauth2.add_on.jar.add_support",
        "kwargs": {"request_type": "request_parameter", "request_object_signing_alg": "RS256", "with_jti": True},
    }


def relying_party(**metadata):
    """It finds the provider by discovery, and registers itself there, with more `metadata`, unless the operator has done it."""
    config = {
        "client_type": "oidc",
        "issuer": ISSUER,
        "redirect_uris": [REDIRECT_URI],
        "post_logout_redirect_uris": [POST_LOGOUT_REDIRECT_URI],
        "response_types_supported": [RESPONSE_TYPE],
        "scopes_supported": SCOPES,
        "subject_types_supported": [ENV.get("SUBJECT_TYPE") or "public"],
        "token_endpoint_auth_methods_supported": [CLIENT_AUTH],
        # The refresh asks here, and finds nothing unless told.
        "client_authn_methods": [CLIENT_AUTH],
        "key_conf": {"key_defs": [{"type": "RSA", "use": ["sig"]}]},
        "services": DEFAULT_OIDC_SERVICES
        | {"end_session": {"class": "idpyoidc.client.oidc.end_session.EndSession"}},
        "add_ons": ADD_ONS,
    }
    if client_id := ENV.get("AUTHMACHINE_CLIENT_ID"):
        config |= {"client_id": client_id, "client_secret": ENV["AUTHMACHINE_CLIENT_SECRET"]}
    base_url = REDIRECT_URI.rsplit("/", 1)[0]
    rp = RPHandler(base_url=base_url, client_configs={ISSUER: config}, keyjar=KeyJar(), httpc_params={"timeout": TIMEOUT})
    client = rp.issuer2rp[ISSUER] = rp.init_client(ISSUER)
    rp.do_provider_info(client)
    # By itself it registers no address for after logout, and no grant type for refresh tokens.
    metadata["post_logout_redirect_uris"] = [POST_LOGOUT_REDIRECT_URI]
    rp.do_client_registration(client, ISSUER, request_args=metadata)
    # Assertions name it by this.
    client.client_id = client.get_client_id()
    return rp


def authorize(rp, browser, **more):
    """One trip to the authorization endpoint."""
    request = {"redirect_uri": REDIRECT_URI, "response_type": RESPONSE_TYPE, "scope": list(SCOPES)} | more
    if mode := ENV.get("RESPONSE_MODE"):
        request["response_mode"] = mode
    return browser.go(rp.begin(ISSUER, req_args=request), REDIRECT_URI)


def finalize(rp, back):
    """Verifies what came (signature, issuer, audience, times, `nonce`, hashes), redeems the code and asks for user info."""
    return rp.finalize(ISSUER, back.parameters, behaviour_args={"collect_tokens": "code" in RESPONSE_TYPE.split()})


def main():
    rp = relying_party()
    browser = Browser(ENV["LOGIN_USERNAME"], ENV["LOGIN_PASSWORD"])
    back = authorize(rp, browser)
    found = finalize(rp, back)
    state = found["state"]
    result = {
        "came_by": back.way,
        "claims": found["id_token"].to_dict(),
        # Of an ID token that comes alone, the claims are a dictionary.
        "userinfo": dict(found["userinfo"].items()),
        "access_token": bool(found["token"]),
        "registered": dict(rp.issuer2rp[ISSUER].get_context().registration_response.items()),
    }

    kept = rp.get_session_information(state)
    if "refresh_token" in kept:
        before = kept["access_token"], kept["refresh_token"]
        rp.refresh_access_token(state)
        kept = rp.get_session_information(state)
        result["refreshed"] = kept["access_token"] != before[0]
        result["refresh_rotated"] = kept["refresh_token"] != before[1]
        result["subject_after_refresh"] = rp.get_user_info(state, access_token=kept["access_token"])["sub"]

    # Single sign-on while the session lives, and none when it is over.
    result["silent_subject"] = finalize(rp, authorize(rp, browser, prompt="none"))["id_token"]["sub"]
    logout = rp.logout(state)
    back = browser.go(logout["url"], POST_LOGOUT_REDIRECT_URI)
    result["logout_state_returned"] = back.parameters.get("state") == logout["request"]["state"]
    result["after_logout"] = finalize(rp, authorize(rp, browser, prompt="none")).get("error")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
