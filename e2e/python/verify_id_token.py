"""Verifies the signature of the ID token on standard input by the keys that the provider publishes now.

Environment: `AUTHMACHINE_URL`. Prints the claims; a token that does not verify is a traceback and exit code 1.
"""

import json
import os
import sys

import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from browser import TIMEOUT

ISSUER = os.environ["AUTHMACHINE_URL"].rstrip("/")


def main():
    discovery = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=TIMEOUT).json()
    keys = KeySet.import_key_set(requests.get(discovery["jwks_uri"], timeout=TIMEOUT).json())
    token = jwt.decode(sys.stdin.read(), keys, algorithms=discovery["id_token_signing_alg_values_supported"])
    print(json.dumps(token.claims))


if __name__ == "__main__":
    main()
