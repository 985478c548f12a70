"""The first message of an answer, in the shapes that ASGI allows."""

import asyncio
import secrets

import pytest

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.web.asgi import HoldfastMiddleware

OWN = [(b"content-type", b"text/plain"), (b"x-own", b"1")]
SCOPE = {
    "type": "http",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 1),
}


@pytest.fixture
def chain():
    assembly = assemble(
        Settings.for_development(), secret=secrets.token_urlsafe(32), store="memory://"
    )
    yield assembly.chain
    assembly.close()


@pytest.mark.parametrize("shape", [list, tuple, iter])
def test_headers_may_be_any_iterable(chain, shape):
    """Also one that can be gone through only once: all of the application's arrive, and the chain's."""
    sent = []

    async def application(scope, receive, send):
        assert scope["holdfast.visit"].require_session().subject is None
        await send({"type": "http.response.start", "status": 200, "headers": shape(OWN)})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    asyncio.run(HoldfastMiddleware(application, chain)(dict(SCOPE), None, send))
    headers = list(sent[0]["headers"])
    assert headers[:2] == OWN
    assert (b"cache-control", b"no-store") in headers


def answered(chain, own, work):
    """The headers of an answer with these, after that was done with its session."""
    sent = []

    async def application(scope, receive, send):
        work(scope["holdfast.visit"].require_session())
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    asyncio.run(HoldfastMiddleware(application, chain)(dict(SCOPE), None, send))
    return sent[0]["headers"]


@pytest.mark.parametrize("name", [b"cache-control", b"Cache-Control"])
def test_no_cache_may_keep_what_depends_on_the_session(chain, name):
    """Whatever the application says of its answer: of two lines, a cache might heed the first (P50)."""
    headers = answered(chain, [(name, b"public, max-age=60")], lambda session: session.subject)
    assert [value for each, value in headers if each == b"cache-control"] == [b"no-store"]


@pytest.mark.parametrize("name", [b"vary", b"Vary"])
def test_the_application_has_its_share_of_vary(chain, name):
    """In one line, which is all that some caches read."""
    headers = answered(chain, [(name, b"Accept")], lambda session: session.subject)
    assert [value for each, value in headers if each == b"vary"] == [b"Accept, Cookie"]


@pytest.mark.parametrize("name", [b"set-cookie", b"Set-Cookie"])
def test_of_two_cookies_with_one_name_ours_stays(chain, name):
    """Another one would take the new session away, or put an old one in its place (R58)."""
    own = [(name, b"session=mine; Path=/"), (name, b"theme=dark")]
    headers = answered(chain, own, lambda session: session.sign_in("ada"))
    cookies = [value.partition(b"=") for each, value in headers if each == b"set-cookie"]
    assert sorted(cookie[0] for cookie in cookies) == [b"session", b"theme"]
    assert (b"session", b"=", b"mine; Path=/") not in cookies
