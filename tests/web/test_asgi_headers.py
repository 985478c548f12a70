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
