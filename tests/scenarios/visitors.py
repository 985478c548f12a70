"""Somebody in front of an application under test, in verbs that every application knows.

The verbs of `Visitor` speak the routes of `web.sites`; an application in another language that has
the same routes needs no visitor of its own.
"""

import re
from dataclasses import dataclass
from html import unescape

import httpx

from web.browser import Answer, Browser

ANN, BOB = "ann@example.org", "bob@example.org"
FOREIGN = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
PASSWORD = "the same for everybody"


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@dataclass
class Visitor:
    """Somebody with a browser; `name` is that of the session cookie."""

    browser: Browser
    name: str = "__Host-session"

    @property
    def cookie(self):
        return self.browser.cookies.get(self.name)

    @cookie.setter
    def cookie(self, value):
        self.browser.cookies[self.name] = value

    def get(self, path, **headers):
        return self.browser.get(path, headers=headers)

    def csrf_token(self):
        return self.browser.token()

    def proof(self):
        """The header that shows that a request comes from a page of the application."""
        return {"x-csrf-token": self.csrf_token()}

    def sign_in(self, subject=ANN):
        proof = self.proof() if self.cookie else {}
        answer = self.browser.post("/login", json={"user": subject}, headers=proof)
        assert answer.status == 200, answer
        return answer

    def sign_out(self):
        return self.browser.post("/logout", headers=self.proof())

    def me(self, **headers):
        return self.get("/me", **headers)

    def subject(self):
        """Who the application says that it is; None for nobody."""
        answer = self.me()
        return self.told(answer) if answer.status == 200 else None

    def told(self, answer):
        return answer.json()["user"]

    def change(self, *, headers=None, **data):
        """An unsafe request, with its proof or with these headers and nothing else."""
        bare = headers is not None
        given = headers if bare else self.proof()
        return self.browser.post("/write", json=data, headers=given, old=bare)

    def data(self):
        """The count that the application keeps in the session, one further."""
        return self.get("/visits").json()["visits"]

    def tokens(self):
        return self.browser.post("/tokens", headers=self.proof()).json()

    def end_by(self, token):
        """A log-out by a client that has nothing but a token."""
        return self.browser.post("/logout", headers=bearer(token), jar=False)

    def stream(self):
        return self.get("/stream").body.decode().splitlines()

    def settle(self):
        """Let the application hear of what happened elsewhere; most read it at each request."""


class InFrontOfExpress(Visitor):
    """The application keeps what it has read for up to a second."""

    def settle(self):
        assert self.get("/told").status == 200


class BehindProxy(Visitor):
    """In front of an application that knows nothing of sessions: the service has the pages."""

    service: str

    def proof(self):
        return {"origin": self.browser.origin}

    def sign_in(self, subject=ANN):
        """Whoever is signed in already confirms the password."""
        path = "/confirm" if self.subject() else "/sign-in"
        form = {"email": subject, "password": PASSWORD, "csrf_token": self.csrf_token()}
        answer = self.browser.post(path, form=form)
        assert answer.status == 303, answer
        return answer

    def sign_out(self):
        return self.browser.post("/sign-out", form={"csrf_token": self.csrf_token()})

    def csrf_token(self):
        """From the page that somebody sees who is, or is not, signed in."""
        pages = (self.get(path).body.decode() for path in ("/sign-in", "/sessions"))
        found = (re.search(r'name="csrf_token" value="([^"]*)"', page) for page in pages)
        return unescape(next(filter(None, found))[1])

    def told(self, answer):
        return dict(answer.json()["headers"])["x-auth-subject"]

    def tokens(self):
        fields = {"email": ANN, "password": PASSWORD}
        return httpx.post(f"{self.service}/login", json=fields).json()

    def end_by(self, token):
        answer = httpx.post(f"{self.service}/api/auth/logout", headers=bearer(token))
        return Answer(answer.status_code, [], answer.content)


class HttpBrowser(Browser):
    """The same browser over a real connection."""

    def __init__(self, origin):
        super().__init__(None, origin=origin)

    def exchange(self, method, path, lines, chunks):
        url = f"{self.origin}{path}"
        raw = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in lines]
        body = b"".join(chunks)
        answer = httpx.request(method, url, headers=raw, content=body, timeout=60)
        headers = [(name.lower(), text) for name, text in answer.headers.multi_items()]
        return Answer(answer.status_code, headers, answer.content)
