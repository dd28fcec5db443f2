"""A client app on pyoidc that behaves as the original AuthMachine apps do.

The point of it is what it does *not* do: no PKCE, a constant `state`, no hint at logout, `claims` in the
original's own top-level shape, user info by POST with the token in the body, and everything it knows in one
signed cookie. The wire contract promises that such an app works against our server unchanged.

Environment: `AUTHMACHINE_URL`, `AUTHMACHINE_CLIENT_ID`, `AUTHMACHINE_CLIENT_SECRET`, `AUTHMACHINE_SCOPE`
(optional), `AUTHMACHINE_API_TOKEN` (optional), `PORT` (0 takes a free one), `SESSION_COOKIE_NAME` (default `session`;
ports share cookies, so two apps in one browser want two names or two hosts). Prints `ready <port>`.
"""

import hashlib
import json
import os

import flask
import requests
from oic import rndstr
from oic.oic import Client
from oic.oic.message import (
    AuthorizationResponse,
    ClaimsRequest,
    EndSessionRequest,
    ProviderConfigurationResponse,
    RegistrationResponse,
)
from oic.utils.authn.client import CLIENT_AUTHN_METHOD
from werkzeug.serving import make_server

ISSUER = os.environ["AUTHMACHINE_URL"].rstrip("/")
CLIENT_ID = os.environ["AUTHMACHINE_CLIENT_ID"]
CLIENT_SECRET = os.environ["AUTHMACHINE_CLIENT_SECRET"]
SCOPE = os.environ.get("AUTHMACHINE_SCOPE") or "openid email profile"
API_TOKEN = os.environ.get("AUTHMACHINE_API_TOKEN")
OBJECTS = ["object1", "object2"]
STATE = "some-state-which-will-be-returned-unmodified"
TIMEOUT = 20

app = flask.Flask(__name__)
app.secret_key = hashlib.sha256(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).digest()
app.config["SESSION_COOKIE_NAME"] = os.environ.get("SESSION_COOKIE_NAME", "session")


def oidc_client():
    """A fresh client for each request: discovery is fetched each time."""
    client = Client(client_id=CLIENT_ID, client_authn_method=CLIENT_AUTHN_METHOD)
    client.provider_config(ISSUER)
    client.store_registration_info(
        RegistrationResponse(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            redirect_uris=[flask.url_for("oidc_callback", _external=True)],
        )
    )
    return client


def is_token_revoked(access_token):
    answer = requests.post(
        f"{ISSUER}/oidc/token",
        data={
            "grant_type": "check_token_revoked",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "access_token": access_token,
        },
        timeout=TIMEOUT,
    )
    answer.raise_for_status()
    return answer.json()["revoked"]


def api_permissions(user_id):
    """Any status but 200 means no permissions."""
    answer = requests.get(
        f"{ISSUER}/api/scim/v1/Users/{user_id}/permissions",
        params={"object": OBJECTS},
        headers={"Authorization": f"Token {API_TOKEN}", "Content-Type": "application/json"},
        timeout=TIMEOUT,
    )
    return answer.json() if answer.status_code == 200 else None


@app.get("/")
def index():
    if "user_info" in flask.session and is_token_revoked(flask.session["tokens"]["access_token"]):
        flask.session.clear()
    user_info = flask.session.get("user_info")
    return flask.render_template_string(
        """<!doctype html><title>pyoidc app</title>
        {% if user_info %}<p id="status">Logged in as {{ user_info.preferred_username }}</p>
        <pre id="user-info">{{ user_info_json }}</pre>
        <pre id="api-permissions">{{ permissions_json }}</pre>
        <a id="logout" href="{{ url_for('logout') }}">Log out</a>
        {% else %}<p id="status">Not logged in</p>
        <a id="login" href="{{ url_for('login') }}">Log in</a>{% endif %}""",
        user_info=user_info,
        user_info_json=json.dumps(user_info, sort_keys=True),
        permissions_json=json.dumps(api_permissions(user_info["id"]) if user_info and API_TOKEN else None),
    )


@app.get("/login")
def login():
    client = oidc_client()
    flask.session["nonce"] = rndstr()
    request = client.construct_AuthorizationRequest(
        request_args={
            "client_id": CLIENT_ID,
            "response_type": "code",
            "scope": SCOPE,
            "claims": ClaimsRequest(authmachine_permissions=OBJECTS),
            "nonce": flask.session["nonce"],
            "redirect_uri": client.registration_response["redirect_uris"][0],
            "state": STATE,
        }
    )
    return flask.redirect(request.request(client.authorization_endpoint))


@app.get("/oidc-callback")
def oidc_callback():
    client = oidc_client()
    response = client.parse_response(
        AuthorizationResponse, info=flask.request.query_string.decode(), sformat="urlencoded"
    )
    if "error" in response:
        return flask.Response(f"login failed: {response['error']}", 403, mimetype="text/plain")
    if response["state"] != STATE:
        return flask.Response("login failed: state was changed", 403, mimetype="text/plain")
    tokens = client.do_access_token_request(
        state=STATE,
        request_args={"code": response["code"], "redirect_uri": client.registration_response["redirect_uris"][0]},
        authn_method="client_secret_post",
    )
    if "error" in tokens:
        return flask.Response(f"login failed: {tokens['error']}", 403, mimetype="text/plain")
    if tokens["id_token"]["nonce"] != flask.session.pop("nonce", None):
        return flask.Response("login failed: nonce is not ours", 403, mimetype="text/plain")
    user_info = client.do_user_info_request(state=STATE)  # by default: POST, token in the body
    if "error" in user_info:
        return flask.Response(f"no user info: {user_info['error']}", 403, mimetype="text/plain")
    flask.session["tokens"] = tokens.to_dict()
    flask.session["user_info"] = user_info.to_dict()
    return flask.redirect(flask.url_for("index"))


@app.get("/logout")
def logout():
    provider: ProviderConfigurationResponse = oidc_client().provider_info
    request = EndSessionRequest(
        scope=SCOPE,
        post_logout_redirect_uri=flask.url_for("oidc_logout_callback", _external=True),
        state=STATE,
        revoke_tokens=1,
    )
    return flask.redirect(request.request(provider["end_session_endpoint"]))


@app.get("/oidc-logout-callback")
def oidc_logout_callback():
    if flask.request.args.get("state") != STATE:
        return flask.Response("logout failed: state was changed", 403, mimetype="text/plain")
    flask.session.clear()
    return flask.redirect(flask.url_for("index"))


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "0")), app, threaded=True)
    print(f"ready {server.server_port}", flush=True)
    server.serve_forever()
