"""A client app on Authlib's integration with Flask: code flow with PKCE, logout with hint and state.

Environment: `AUTHMACHINE_URL`, `AUTHMACHINE_CLIENT_ID`, `AUTHMACHINE_CLIENT_SECRET`, `PORT`. `/login` takes further parameters of
the authorization request. Prints `ready <port>`.
"""

import json
import os
import secrets

import flask
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from werkzeug.serving import make_server

ISSUER = os.environ["AUTHMACHINE_URL"]
# Authlib refuses http unless told; the tests are on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

app = flask.Flask(__name__)
app.secret_key = secrets.token_bytes(32)
provider = OAuth(app).register(
    "provider",
    client_id=os.environ["AUTHMACHINE_CLIENT_ID"],
    client_secret=os.environ["AUTHMACHINE_CLIENT_SECRET"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
)


@app.get("/")
def index():
    who = flask.session.get("who")
    return f"Logged in as {json.dumps(who, sort_keys=True)}" if who else "Not logged in"


@app.get("/login")
def login():
    return provider.authorize_redirect(flask.url_for("callback", _external=True), **flask.request.args)


@app.route("/cb", methods=["GET", "POST"])
def callback():
    # Checks `state` and `iss`, redeems the code, and verifies the ID token: signature, issuer, audience, times, `nonce`, `at_hash`.
    tokens = provider.authorize_access_token()
    info = provider.userinfo(token=tokens)
    flask.session["id_token"] = tokens["id_token"]
    flask.session["who"] = {"sub": tokens["userinfo"]["sub"], "userinfo": info, "by": flask.request.method}
    return flask.redirect("/")


@app.get("/logout")
def logout():
    return provider.logout_redirect(flask.url_for("logged_out", _external=True), id_token_hint=flask.session.pop("id_token"))


@app.get("/out")
def logged_out():
    provider.validate_logout_response()
    flask.session.clear()
    return flask.redirect("/")


@app.errorhandler(OAuthError)
def refused(error):
    return f"Refused: {error.error}", 403


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ["PORT"]), app, threaded=True)
    print(f"ready {server.server_port}", flush=True)
    server.serve_forever()
