"""A code flow with Authlib, without a browser: login, ID token, user info, refresh, introspection, revocation.

Environment: `AUTHMACHINE_URL`, `AUTHMACHINE_CLIENT_ID`, `AUTHMACHINE_CLIENT_SECRET` or `KEYS_PORT` (then it authenticates by
`private_key_jwt`, and its keys are at `/keys.json` there), `AUTHMACHINE_SCOPE` (optional), `REDIRECT_URI` (nothing needs to listen there), `LOGIN_USERNAME`, `LOGIN_PASSWORD`. Prints one JSON line; any
failure is a traceback and exit code 1.
"""

import json
import os
import tempfile
from pathlib import Path

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from browser import TIMEOUT, Browser
from listener import Listener

ISSUER = os.environ["AUTHMACHINE_URL"].rstrip("/")
CLIENT_ID = os.environ["AUTHMACHINE_CLIENT_ID"]
REDIRECT_URI = os.environ["REDIRECT_URI"]
# Authlib refuses http unless told; the tests are on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def verify_id_token(discovery, id_token, nonce):
    keys = KeySet.import_key_set(requests.get(discovery["jwks_uri"], timeout=TIMEOUT).json())
    token = jwt.decode(id_token, keys, algorithms=discovery["id_token_signing_alg_values_supported"])
    jwt.JWTClaimsRegistry(
        leeway=5,
        iss={"essential": True, "value": discovery["issuer"]},
        aud={"essential": True, "value": CLIENT_ID},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    ).validate(token.claims)
    return token


def serve_own_key(port):
    key = RSAKey.generate_key(2048, {"kid": "own", "use": "sig"})
    folder = tempfile.mkdtemp()
    Path(folder, "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    Listener(folder, port)
    return key


def main():
    discovery = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=TIMEOUT).json()
    assert discovery["issuer"] == ISSUER, f"{discovery['issuer']} is not {ISSUER}"
    scope = os.environ.get("AUTHMACHINE_SCOPE") or "openid email profile"
    if port := os.environ.get("KEYS_PORT"):
        method, credentials = "private_key_jwt", serve_own_key(int(port))
    else:
        method, credentials = "client_secret_basic", os.environ["AUTHMACHINE_CLIENT_SECRET"]
    client = OAuth2Session(
        CLIENT_ID,
        credentials,
        scope=scope,
        redirect_uri=REDIRECT_URI,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        code_challenge_method="S256",
    )
    client.register_client_auth_method(PrivateKeyJWT(discovery["token_endpoint"]))
    nonce, verifier = generate_token(32), generate_token(48)
    # OIDC Core §11: offline access asks for consent.
    prompt = {"prompt": "consent"} if "offline_access" in scope.split() else {}
    url, state = client.create_authorization_url(
        discovery["authorization_endpoint"], nonce=nonce, code_verifier=verifier, **prompt
    )
    callback = Browser(os.environ["LOGIN_USERNAME"], os.environ["LOGIN_PASSWORD"]).go(url, REDIRECT_URI).url
    tokens = client.fetch_token(
        discovery["token_endpoint"], authorization_response=callback, state=state, code_verifier=verifier, timeout=TIMEOUT
    )
    id_token = verify_id_token(discovery, tokens["id_token"], nonce)
    user_info = client.get(discovery["userinfo_endpoint"], timeout=TIMEOUT)
    user_info.raise_for_status()
    result = {
        "token_type": tokens["token_type"],
        "scope": tokens.get("scope"),
        "id_token_header": id_token.header,
        "id_token_claims": id_token.claims,
        "userinfo": user_info.json(),
    }

    if "refresh_token" in tokens:
        refreshed = client.refresh_token(discovery["token_endpoint"], tokens["refresh_token"], timeout=TIMEOUT)
        result["refreshed"] = refreshed["access_token"] != tokens["access_token"]
        result["refresh_rotated"] = refreshed.get("refresh_token", tokens["refresh_token"]) != tokens["refresh_token"]
        tokens = refreshed

    def is_active():
        answer = client.introspect_token(
            discovery["introspection_endpoint"], tokens["access_token"], "access_token", timeout=TIMEOUT
        )
        answer.raise_for_status()
        return answer.json()["active"]

    if "introspection_endpoint" in discovery:
        result["active_before_revocation"] = is_active()
    if "revocation_endpoint" in discovery:
        answer = client.revoke_token(
            discovery["revocation_endpoint"], tokens["access_token"], "access_token", timeout=TIMEOUT
        )
        result["revocation_status"] = answer.status_code
        # The session would refresh an expired token by itself; a revoked one it just sends.
        result["userinfo_after_revocation"] = client.get(discovery["userinfo_endpoint"], timeout=TIMEOUT).status_code
        if "introspection_endpoint" in discovery:
            result["active_after_revocation"] = is_active()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
