"""As much of a browser as a login needs: cookies, redirects, and forms filled in by what their fields are."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

TIMEOUT = 20


class Form(HTMLParser):
    """The first POST form of a page: its action and fields, and a submit button."""

    def __init__(self, page):
        super().__init__()
        self.action = None
        self.fields = {}
        self.names = {}
        self._inside = False
        self._buttons = []
        self.feed(page)
        # Where there is a choice (consent), say yes; else press the first button.
        button = next((b for b in self._buttons if b[1] == "yes"), next(iter(self._buttons), None))
        if button and button[0]:
            self.fields[button[0]] = button[1]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None and attrs.get("method", "get").lower() == "post":
            self.action, self._inside = attrs.get("action", ""), True
        if not self._inside or tag not in ("input", "button"):
            return
        kind, name = attrs.get("type", "submit" if tag == "button" else "text"), attrs.get("name")
        if kind == "submit":
            self._buttons.append((name, attrs.get("value", "")))
        elif kind == "hidden" and name:
            self.fields[name] = attrs.get("value", "")
        elif kind in ("text", "email", "password") and name:
            self.names["password" if kind == "password" else "username"] = name

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False


def log_in(authorization_url, redirect_uri, username, password):
    """Goes to `authorization_url`, fills in every form on the way, and returns the URL that leads back to the client."""
    session = requests.Session()
    answer = session.get(authorization_url, allow_redirects=False, timeout=TIMEOUT)
    for _ in range(20):
        if answer.is_redirect:
            url = urljoin(answer.url, answer.headers["location"])
            if url.startswith(redirect_uri):
                return url
            answer = session.get(url, allow_redirects=False, timeout=TIMEOUT)
            continue
        form = Form(answer.text)
        if form.action is None:
            raise RuntimeError(f"a page without a form: {answer.status_code} {answer.url}\n{answer.text[:2000]}")
        fields = form.fields | {name: {"username": username, "password": password}[what] for what, name in form.names.items()}
        url = urljoin(answer.url, form.action)
        # A browser names the page's origin with a form; a server may ask for it.
        origin = "/".join(answer.url.split("/")[:3])
        answer = session.post(url, data=fields, headers={"Origin": origin}, allow_redirects=False, timeout=TIMEOUT)
    raise RuntimeError(f"20 pages and no way back to {redirect_uri}; the last was {answer.url}")
