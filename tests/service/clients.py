"""Clients of the service in one process, and its parts with a clock that stands still."""

import asyncio
from pathlib import Path

import httpx

from holdfast.rules.keys import KeyRing
from holdfast.service import environment
from holdfast.service.building import build

BASE = "http://127.0.0.1:8080"
SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
KEYS = KeyRing.from_secrets([SECRET], environment="development")
EMAIL, PASSWORD = "ada@example.org", "correct horse battery staple"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def configuration(home: Path, **variables):
    """What the variables (without their prefix) describe, over a database in `home`."""
    given = {"PROFILE": "development", "HOME": str(home)} | variables
    return environment.load({f"HOLDFAST_{name}": str(value) for name, value in given.items()})


def built(home, clock, events, **variables):
    """The parts of a service; audit events are appended to `events`."""
    return build(configuration(home, **variables), keys=KEYS, audit=[events.append], clock=clock)


class Client:
    """One client: an address, a user agent, a cookie jar."""

    def __init__(self, app, *, address="127.0.0.1", agent=FIREFOX, base=BASE):
        transport = httpx.ASGITransport(app, client=(address, 50000))
        self.http = httpx.AsyncClient(
            transport=transport, base_url=base, headers={"User-Agent": agent}
        )

    def request(self, method, path, **options):
        return asyncio.run(self.http.request(method, path, **options))

    def all(self, *requests):
        """Several requests at the same time, each as (method, path, options)."""

        async def gathered():
            sent = (self.http.request(method, path, **each) for method, path, each in requests)
            return await asyncio.gather(*sent)

        return asyncio.run(gathered())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)

    def csrf(self):
        """The header for an unsafe request of a browser."""
        return {"X-CSRF-Token": self.get("/csrf-token").json()["csrfToken"]}

    def sign_in(self, email=EMAIL, password=PASSWORD):
        """Sign in as a browser does."""
        body = {"email": email, "password": password}
        return self.post("/api/login", json=body, headers=self.csrf())

    def tokens(self, email=EMAIL, password=PASSWORD):
        """Sign in as a token client does."""
        answer = self.post("/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, token):
        return self.post("/refresh", json={"refresh_token": token})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def outcome(answer):
    """Status and stable code of an error."""
    return answer.status_code, answer.json().get("code")
