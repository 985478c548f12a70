"""An application that streams on after its answer was replaced is stopped, and nobody calls that an error."""

import asyncio
import secrets

import pytest

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.web.asgi import HoldfastMiddleware, session_of

SCOPE = {
    "type": "http",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 1),
}


class ClientGoneError(Exception):
    """As frameworks name it."""


def as_it_is(error):
    raise error


def renamed(error):
    try:
        raise error
    except OSError:
        raise ClientGoneError from None


def in_a_group(error):
    """Raised where nothing else is known of it, as by the task that waits for the others."""
    try:
        renamed(error)
    except ClientGoneError as gone:
        found = gone
    raise ExceptionGroup("tasks", [found])


def beside_a_bug(error):
    raise ExceptionGroup("tasks", [error, ZeroDivisionError()])


def answered(told):
    """The messages that came out; `told` is what the application makes of being stopped."""
    sent = []

    async def application(scope, _receive, send):
        connection = type("Connection", (), {"scope": scope})
        session_of(connection)["page"] = "x" * 1_000_000
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        except OSError as error:
            stopped = error
        told(stopped)

    async def send(message):
        sent.append(message)

    settings = Settings.for_development()
    assembly = assemble(settings, secret=secrets.token_urlsafe(32), store="memory://")
    try:
        asyncio.run(HoldfastMiddleware(application, assembly.chain)(dict(SCOPE), None, send))
    finally:
        assembly.close()
    return sent


@pytest.mark.parametrize("told", [as_it_is, renamed, in_a_group])
def test_being_stopped_is_no_error(told):
    """Whatever a framework makes of it."""
    start, body = answered(told)
    assert start["status"] == 500
    assert b"data_too_large" in body["body"]


def test_a_bug_beside_it_is_one():
    """The server must hear of it."""
    with pytest.raises(ExceptionGroup):
        answered(beside_a_bug)
