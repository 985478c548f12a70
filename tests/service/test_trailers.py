"""What comes behind a head: fields at the end of a body are no headers, and nothing is kept for ever."""

import asyncio
import re

import pytest

from holdfast.service.connection import MAX_HEAD, MAX_PIPELINED
from service.lines import Line

HOST = b"Host: 127.0.0.1:8080\r\n"
PIECES = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LOGOUT = b"POST /api/auth/logout HTTP/1.1\r\n" + HOST
LOGIN = b"POST /login HTTP/1.1\r\n" + HOST + PIECES + b"2\r\n{}\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


def statuses(line):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", line.wire.sent)]


@pytest.fixture
def access(client):
    return client.tokens()["access_token"].encode()


def test_a_field_behind_the_body_is_no_header(context, access):
    """Who it is, where from, and with which token: a proxy has seen the head alone (RFC 9110 6.5.1)."""

    async def story():
        line = Line(context)
        line.send(LOGOUT + PIECES + b"0\r\nAuthorization: Bearer " + access + b"\r\n\r\n")
        await line.answered()
        line.send(LOGOUT + b"Authorization: Bearer " + access + b"\r\n" + PIECES + b"0\r\n\r\n")
        await line.answered()
        assert statuses(line) == [401, 200]

    asyncio.run(story())


@pytest.mark.parametrize(
    "endless",
    [b"X-Field: " + b"a" * 2000 + b"\r\n", b"a" * 2000],
    ids=["many fields", "one long field"],
)
def test_what_follows_a_body_has_a_bound(context, endless):
    """It is kept nowhere, and costs the connection (promise 7)."""

    async def story():
        line = Line(context)
        line.send(LOGIN + b"0\r\nX-First: ")
        for _ in range(MAX_HEAD // len(endless)):
            assert not line.wire.closed
            line.send(endless)
        line.send(endless)
        assert line.wire.closed
        assert len(line.connection.cycle.scope["headers"]) == 3
        line.connection.connection_lost(None)
        await line.answered()

    asyncio.run(story())


def test_a_body_in_small_pieces_has_no_such_bound(context):
    """Each byte of it counts as progress; how much it may be is for the routes to say."""

    async def story():
        line = Line(context)
        for _ in range(MAX_HEAD // 6 + 10):
            line.send(b"1\r\n \r\n" if line.wire.sent or line.connection.cycle else LOGIN)
        assert not line.wire.closed
        line.connection.connection_lost(None)
        await line.answered()

    asyncio.run(story())


def test_requests_wait_in_a_line_of_bounded_length(context):
    """Whoever sends more of them than that without reading an answer is hung up on (promise 7)."""

    async def story():
        line = Line(context)
        line.send(GET * (MAX_PIPELINED + 1))
        await line.answered()
        assert statuses(line) == [200] * (MAX_PIPELINED + 1)
        line.send(GET * 10_000)
        assert line.wire.closed
        assert len(line.connection.pipeline) == MAX_PIPELINED
        await line.answered()

    asyncio.run(story())
