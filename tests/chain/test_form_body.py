"""The form field of step 4, under the ASGI middleware: at most 64 KiB are buffered, and all is replayed."""

import asyncio

import pytest

from chain.facts import Steps, as_cookie
from holdfast.chain.request import MAX_FORM
from holdfast.settings import Rate, Settings
from holdfast.web.asgi import HoldfastMiddleware
from web.browser import Browser

KINDS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=xx"]


@pytest.fixture
def site():
    """An application that answers with the body it got, and who sent it."""
    steps = Steps(Settings(rate=Rate(limit=1000)))

    async def app(scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise AssertionError("the body was not replayed")
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    browser = Browser(HoldfastMiddleware(app, steps.chain))
    value = steps.cookie_of()
    browser.cookies["__Host-session"] = value
    browser.token = steps.token_for(cookie=as_cookie(value))[0]
    yield browser
    steps.assembly.close()


def form(kind, token, padding=0, last=False):
    """A form with a token, before or after as many bytes of another field."""
    if kind.startswith("multipart"):
        fields = [("csrf_token", token), ("note", "x" * padding)]
        parts = (
            f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (reversed(fields) if last else fields)
        )
        return "".join(parts).encode() + b"--xx--\r\n"
    pairs = [f"csrf_token={token}", f"note={'x' * padding}"]
    return "&".join(reversed(pairs) if last else pairs).encode()


def sent(site, kind, body, size=1000):
    chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    return site.post("/echo", chunks=chunks, kind=kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
def test_the_body_arrives_as_it_was_sent(site, kind, size):
    """However it was cut."""
    body = form(kind, site.token, padding=100)
    answer = sent(site, kind, body, size)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_upload_behind_the_token_passes(site, kind):
    """Only its beginning is looked into."""
    body = form(kind, site.token, padding=3 * MAX_FORM)
    answer = sent(site, kind, body)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_behind_64_kib_is_not_found(site, kind):
    """Bounded work; a page puts the field first."""
    assert sent(site, kind, form(kind, site.token, padding=MAX_FORM, last=True)).status == 403
    assert sent(site, kind, form(kind, site.token, padding=MAX_FORM - 500, last=True)).status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_than_64_kib_are_read_before_the_decision(site, kind):
    """A refused upload is not swallowed whole."""
    body = form(kind, "no token", padding=10 * MAX_FORM)
    chunks = [body[at : at + 4096] for at in range(0, len(body), 4096)]
    taken = []

    async def receive():
        taken.append(chunks[len(taken)])
        return {"type": "http.request", "body": taken[-1], "more_body": True}

    async def send(message):
        assert message.get("status", 403) == 403

    lines = [("host", "app.example.org"), ("content-type", kind)]
    lines.append(("cookie", as_cookie(site.cookies["__Host-session"])))
    asyncio.run(site.app(site.scope("POST", "/echo", lines), receive, send))
    assert MAX_FORM <= len(b"".join(taken)) < MAX_FORM + 4096 + 1


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/octet-stream", None]
)
def test_other_bodies_are_not_looked_into(site, kind):
    """A token in JSON or text is none: only headers and form fields count."""
    assert sent(site, kind, form(KINDS[0], site.token)).status == 403


def test_a_client_that_goes_away_is_no_error(site):
    """Its disconnect is found where it was: at the end of what it sent."""
    messages = [
        {"type": "http.request", "body": b"note=", "more_body": True},
        {"type": "http.disconnect"},
    ]
    answers = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        answers.append(message)

    lines = [("host", "app.example.org"), ("content-type", KINDS[0])]
    lines.append(("cookie", as_cookie(site.cookies["__Host-session"])))
    asyncio.run(site.app(site.scope("POST", "/echo", lines), receive, send))
    assert answers[0]["status"] == 403
