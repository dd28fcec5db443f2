"""Two relying parties on `idpyoidc` in one browser: one signs out, the other is told from server to server.

Environment: as for `idpyoidc_flow.py`; both register themselves. Prints one JSON line; any failure is a traceback and exit code 1.
"""

import json
import tempfile

from idpyoidc.client.oauth2.stand_alone_client import backchannel_logout
from idpyoidc.exception import MessageException

from browser import TIMEOUT, Browser
from idpyoidc_flow import ENV, ISSUER, POST_LOGOUT_REDIRECT_URI, authorize, finalize, relying_party
from listener import Listener


def main():
    with tempfile.TemporaryDirectory() as folder:
        listener = Listener(folder)
        here, there = [
            relying_party(backchannel_logout_uri=f"{listener.url}/{name}", backchannel_logout_session_required=True)
            for name in ("here", "there")
        ]
        browser = Browser(ENV["LOGIN_USERNAME"], ENV["LOGIN_PASSWORD"])
        state_here = finalize(here, authorize(here, browser))["state"]
        signed_in = finalize(there, authorize(there, browser))
        browser.go(here.logout(state_here)["url"], POST_LOGOUT_REDIRECT_URI)

        told = {}
        while "/there" not in told:
            path, body = listener.posted.get(timeout=TIMEOUT)
            told[path] = body
    # Verifies the logout token, and finds the session that it is about.
    client = there.issuer2rp[ISSUER]
    result = {
        "told": sorted(told),
        "found_the_session": backchannel_logout(client, request=told["/there"]) == signed_in["state"],
        "sid": signed_in["id_token"]["sid"],
    }
    try:
        backchannel_logout(here.issuer2rp[ISSUER], request=told["/there"])
        result["refused_elsewhere"] = False
    except MessageException:
        result["refused_elsewhere"] = True
    print(json.dumps(result))


if __name__ == "__main__":
    main()
