"""A client that sends its request slowly holds a connection no longer than a head may take."""

import asyncio

import pytest

from holdfast.service.connection import HEAD_WITHIN
from service.lines import Line

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"


def test_a_connection_that_says_nothing_is_closed(context, events):
    """Without an answer, and nobody need hear of it: browsers open connections on suspicion."""

    async def story():
        line = Line(context)
        line.loop.pass_time(HEAD_WITHIN)
        assert (line.wire.closed, line.wire.sent, events) == (True, b"", [])

    asyncio.run(story())


@pytest.mark.parametrize("before", [b"", HEAD], ids=["first", "kept alive"])
def test_a_head_that_comes_by_the_byte_is_refused(context, events, before):
    """However often something comes: 400 with a code, audited, and the end of the connection (P37)."""

    async def story():
        line = Line(context)
        if before:
            line.send(before)
            await line.answered()
            assert b"200 OK" in line.wire.sent
            assert line.head_timers() == []
        for byte in HEAD[:-1]:
            line.send(bytes([byte]))
            assert line.head_timers() == [HEAD_WITHIN]
        line.wire.sent = b""
        line.loop.pass_time(HEAD_WITHIN)
        await line.answered()
        assert line.wire.sent.startswith(b"HTTP/1.1 400 ")
        assert b'"code": "bad_request"' in line.wire.sent
        line.send(HEAD[-1:])
        line.loop.pass_time(HEAD_WITHIN)
        assert line.wire.closed
        assert line.head_timers() == []

    asyncio.run(story())
    assert [event.reason for event in events if event.reason] == ["bad_request"]


def test_line_ends_before_a_head_are_part_of_it(context):
    """They are no request, and do not keep a connection either."""

    async def story():
        line = Line(context)
        line.send(HEAD)
        await line.answered()
        line.send(b"\r\n")
        assert line.head_timers() == [HEAD_WITHIN]
        line.loop.pass_time(HEAD_WITHIN)
        await line.answered()
        line.loop.pass_time(HEAD_WITHIN)
        assert line.wire.closed

    asyncio.run(story())


def test_a_complete_head_is_not_hurried(context):
    """The bound is for the head: a body, and an answer, take the time that their route allows."""

    async def story():
        line = Line(context)
        line.send(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 4\r\n\r\na")
        assert line.head_timers() == []
        line.send(b"b")
        assert line.head_timers() == []
        line.connection.connection_lost(None)
        await line.answered()
        assert line.head_timers() == []

    asyncio.run(story())
