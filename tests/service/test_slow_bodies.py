"""A body that comes slowly, or never ends: 408 with a code, and the end of the connection (P37)."""

import asyncio
import socket
import time

import pytest

from holdfast.service import connection
from holdfast.service.backend import keys as service_keys
from service.clients import bearer
from service.lines import Line
from service.running import Server

KEY = "hfk1_" + "k" * 43
JSON = ("content-type", "application/json")
FORM = ("content-type", "application/x-www-form-urlencoded")
LATE = (408, "request_timeout")


@pytest.fixture
def variables():
    entry = service_keys.entry("shop", service_keys.SCOPES, KEY)
    return {"SERVICE_KEYS": entry, "BODY_TIMEOUT": "50ms"}


def ask(app, path, *headers, pieces=(), every=0.0):
    """What the application sends to a request whose body never ends: status, headers, body."""

    async def asked():
        rest, sent = list(pieces), []

        async def receive():
            if rest:
                return {"type": "http.request", "body": rest.pop(0), "more_body": True}
            await asyncio.sleep(every or 3600)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message):
            sent.append(message)

        host = [("host", "127.0.0.1:8080"), *headers]
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "headers": [(name.lower().encode(), text.encode()) for name, text in host],
            "client": ("127.0.0.1", 4711),
            "server": ("127.0.0.1", 8080),
            "state": {},
        }
        await asyncio.wait_for(app(scope, receive, send), 5)
        return sent

    start, *bodies = asyncio.run(asked())
    return start["status"], dict(start["headers"]), b"".join(each["body"] for each in bodies)


ROUTES = {
    "sign-in of token clients": ("/login", JSON),
    "log-out": ("/api/auth/logout", JSON),
    "back-end API": ("/backend/v1/sessions", JSON, *bearer(KEY).items()),
    "with an idempotency key": (
        *("/backend/v1/sessions", JSON, *bearer(KEY).items()),
        ("idempotency-key", "x" * 20),
    ),
}


@pytest.mark.parametrize("every", [0.0, 0.01], ids=["nothing more", "a byte now and then"])
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_a_body_that_never_ends(app, route, every):
    """Whatever has come so far, and however often something comes."""
    status, headers, body = ask(app, *route, pieces=[b"{"], every=every)
    assert (status, b'"code": "request_timeout"' in body) == (408, True)
    assert headers[b"connection"] == b"close"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_a_form_whose_token_is_waited_for(app, client):
    """The chain itself reads it, before any route: the same, as a page for people."""
    client.get("/sign-in")
    cookie = "; ".join(f"{name}={text}" for name, text in client.http.cookies.items())
    origin = ("origin", "http://127.0.0.1:8080")
    status, headers, body = ask(app, "/sign-in", FORM, origin, ("cookie", cookie), pieces=[b"a=b"])
    assert (status, headers[b"connection"]) == (408, b"close")
    assert b"The form did not arrive in time" in body


def test_nothing_is_done(app, context):
    """Neither a session nor a claim is there."""
    ask(app, *ROUTES["with an idempotency key"], pieces=[b'{"subject": "ada"}'])
    assert asyncio.run(context.assembly.store.page()).records == ()


def test_who_waits_for_the_end_of_the_client_may(app, client, context):
    """A stream of changes stays open beyond the time of a body: the body was complete."""

    async def followed():
        came, sent = asyncio.Event(), []
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            if messages:
                return messages.pop()
            await came.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/backend/v1/changes",
            "raw_path": b"/backend/v1/changes",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "headers": [
                (b"host", b"127.0.0.1:8080"),
                (b"authorization", f"Bearer {KEY}".encode()),
            ],
            "client": ("127.0.0.1", 4711),
            "server": ("127.0.0.1", 8080),
            "state": {},
        }
        stream = asyncio.ensure_future(app(scope, receive, send))
        await asyncio.wait({stream}, timeout=0.3)
        open_still = not stream.done()
        came.set()
        await stream
        return open_still, sent[0]["status"]

    assert asyncio.run(followed()) == (True, 200)


# What nobody reads


HEAD = b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 4\r\n\r\n"


def test_a_body_that_nobody_reads_ends_the_connection(context):
    """Its request was answered; whoever goes on sending by the byte holds nothing."""

    async def story():
        line = Line(context)
        line.send(HEAD + b"a")
        await line.answered()
        assert line.wire.sent.startswith(b"HTTP/1.1 4")
        assert not line.wire.closed
        line.send(b"b")
        line.loop.pass_time(connection._LINGER)
        assert line.wire.closed

    asyncio.run(story())


def test_a_body_that_comes_after_its_answer_keeps_the_connection(context):
    """The next request on it is answered."""

    async def story():
        line = Line(context)
        line.send(HEAD + b"ab")
        await line.answered()
        line.send(b"cd")
        line.loop.pass_time(connection._LINGER)
        assert not line.wire.closed
        line.wire.sent = b""
        line.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
        await line.answered()
        assert b"200 OK" in line.wire.sent

    asyncio.run(story())


# Served


def test_over_a_real_connection(tmp_path):
    """Half a body: 408 within its time, and the end; others are served meanwhile."""
    server = Server(tmp_path / "home", "--demo", BODY_TIMEOUT="500ms")
    try:
        tokens = server.login()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
            head = "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
            started = time.monotonic()
            assert server.me(tokens) == 200
            answer = b""
            while piece := slow.recv(65536):
                answer += piece
            assert 0.3 < time.monotonic() - started < 5
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code": "request_timeout"' in answer
    finally:
        server.stop()
