"""As much of a browser as a login needs: cookies, redirects, and forms filled in by what their fields are."""

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

TIMEOUT = 20
# More than any way through the provider has.
MAX_STEPS = 20


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


@dataclass
class Return:
    """The request that leads back to the client: an address, and what was posted to it, if anything was."""

    url: str
    form: dict | None = None

    @property
    def way(self):
        """Where the parameters stand: `form`, `fragment` or `query`."""
        return "form" if self.form is not None else "fragment" if urlsplit(self.url).fragment else "query"

    @property
    def parameters(self):
        """What the provider says, wherever it stands."""
        if self.form is not None:
            return self.form
        parts = urlsplit(self.url)
        return dict(parse_qsl(parts.fragment or parts.query, strict_parsing=True))


class Browser:
    """A person with a name and a password, and what their browser keeps from one visit to the next."""

    def __init__(self, username, password):
        self._session = requests.Session()
        self._typed = {"username": username, "password": password}

    def go(self, url, back_to):
        """Goes to `url`, fills in every form on the way, and stops before it would ask for an address that begins with `back_to`."""
        answer = self._session.get(url, allow_redirects=False, timeout=TIMEOUT)
        for _ in range(MAX_STEPS):
            if answer.is_redirect:
                url = urljoin(answer.url, answer.headers["location"])
                if url.startswith(back_to):
                    return Return(url)
                answer = self._session.get(url, allow_redirects=False, timeout=TIMEOUT)
                continue
            form = Form(answer.text)
            if form.action is None:
                raise RuntimeError(f"a page without a form: {answer.status_code} {answer.url}\n{answer.text[:2000]}")
            fields = form.fields | {name: self._typed[what] for what, name in form.names.items()}
            url = urljoin(answer.url, form.action)
            if url.startswith(back_to):
                return Return(url, fields)
            # A browser names the page's origin with a form; a server may ask for it.
            origin = "/".join(answer.url.split("/")[:3])
            answer = self._session.post(
                url, data=fields, headers={"Origin": origin}, allow_redirects=False, timeout=TIMEOUT
            )
        raise RuntimeError(f"{MAX_STEPS} pages and no way back to {back_to}; the last was {answer.url}")
