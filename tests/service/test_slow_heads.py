"""A client that sends its request slowly holds a connection no longer than a head may take."""

import asyncio

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from holdfast.service.app import create_app
from holdfast.service.connection import HEAD_WITHIN, Connection

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"


class Loop:
    """An event loop on which time passes when the test says so."""

    def __init__(self, real):
        self.real = real
        self.timers = []

    def call_later(self, seconds, act):
        handle = asyncio.TimerHandle(seconds, act, (), self.real)
        self.timers.append(handle)
        return handle

    def create_task(self, work, **options):
        return self.real.create_task(work, **options)

    def pass_time(self, seconds):
        """All timers that are due by then, once."""
        due = [each for each in self.timers if each.when() <= seconds and not each.cancelled()]
        self.timers = [each for each in self.timers if each not in due]
        for each in due:
            each._run()

    def pending(self):
        """Seconds of the timers that run."""
        return [each.when() for each in self.timers if not each.cancelled()]


class Wire(asyncio.Transport):
    """What the server does with the connection."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 4711), "sockname": ("127.0.0.1", 8080)})
        self.sent = b""
        self.closed = False

    def write(self, data):
        self.sent += data

    def can_write_eof(self):
        return False

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def get_protocol(self):
        return None


class Line:
    """One connection to the application."""

    def __init__(self, context):
        self.loop = Loop(asyncio.get_running_loop())
        config = Config(
            create_app(context), lifespan="off", http=Connection, ws="none", log_config=None
        )
        config.load()
        self.connection = Connection(config, ServerState(), {}, _loop=self.loop)
        self.wire = Wire()
        self.connection.connection_made(self.wire)

    def send(self, data):
        self.connection.data_received(data)

    async def answered(self):
        """Let the application come to its end."""
        while self.connection.tasks:
            await asyncio.gather(*self.connection.tasks)
            await asyncio.sleep(0)

    def head_timers(self):
        return [seconds for seconds in self.loop.pending() if seconds == HEAD_WITHIN]


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
