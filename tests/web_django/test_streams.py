"""Streaming responses end with their session, on event loops and in threads."""

import asyncio
from contextlib import nullcontext
from datetime import timedelta

import django
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, StreamingHttpResponse

from held.loop import in_a_loop, until
from holdfast.errors import SessionEnded
from holdfast.session import Session
from holdfast.settings import Settings
from holdfast.web import lasting, wsgi_stream
from slow_bodies import time_in
from web_django import urls

EVENTS, PLAIN = "text/event-stream", "text/plain"
BOUND = timedelta(milliseconds=100)
LOUD = django.VERSION < (5,)
"""Whether Django lets a cancellation through to the server, and hears of no client that goes."""
notices_who_goes = pytest.mark.skipif(LOUD, reason="Django 4.2 does not listen for that")


@pytest.fixture
def settings():
    return Settings(cache_bound=BOUND)


class Open:
    """One request to an async view, as a server gives it to Django; `app` may stand around that."""

    def __init__(self, session, chunks, app=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}

        async def step(request):
            return StreamingHttpResponse(chunks, headers=headers)

        urls.STEPS.append(step)
        self.incoming, self.sent, self.blocks = asyncio.Queue(), [], None
        self.incoming.put_nowait({"type": "http.request"})
        cookie = f"__Host-session={session.cookie}" if session else "a=b"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": "/avisit",
            "raw_path": b"/avisit",
            "query_string": b"",
            "headers": [(b"host", b"testserver"), (b"cookie", cookie.encode())],
            "client": ("127.0.0.1", 4711),
            "server": ("testserver", 443),
        }
        self.task = asyncio.create_task(
            (app or ASGIHandler())(scope, self.incoming.get, self._send)
        )

    async def _send(self, message):
        self.sent.append(message)
        if self.blocks is not None and len(self.sent) > 1:
            await self.blocks.wait()

    async def begun(self):
        await until(lambda: len(self.sent) > 1 or self.task.done())
        assert not self.task.done(), self.sent
        return self

    async def over(self, *, loud=LOUD):
        """Whether the answer was completed; otherwise the server cuts it off, and hears why if `loud`."""
        await until(self.task.done)
        with pytest.raises(asyncio.CancelledError) if loud else nullcontext():
            self.task.result()
        last = self.sent[-1]
        return last["type"] == "http.response.body" and not last.get("more_body")


async def told(ended):
    """A stream that says one thing, and then waits."""
    try:
        yield b"data: here\n\n"
        await asyncio.Event().wait()
    finally:
        ended.append("told")


@in_a_loop
async def test_streams_of_an_event_loop_end_with_their_session(parts, session):
    """Events just end, anything else is cut off; what the view must do at the end is done."""
    ended = []
    events = await Open(session, told(ended), Content_Type=EVENTS).begun()
    lines = await Open(session, told(ended), Content_Type=PLAIN).begun()
    parts.sessions.revoke(session.id)
    assert await events.over(loud=False) is True
    assert await lines.over() is False
    assert ended == ["told"] * 2


@in_a_loop
async def test_a_store_that_cannot_say(parts, session):
    """Nobody knows whether it lives: it ends before the bound is over."""
    lines = await Open(session, told([]), Content_Type=PLAIN).begun()
    parts.fail("get", times=1000)
    assert await lines.over() is False


@notices_who_goes
@in_a_loop
async def test_others_stay_open(parts, session):
    """Somebody else's, nobody's, and what says how long it is; a client that goes ends its own."""
    other = Session()
    other.sign_in("78")
    parts.sessions.commit(other)
    ended = []
    open_ = [
        await Open(other, told(ended), Content_Type=PLAIN).begun(),
        await Open(None, told(ended), Content_Type=PLAIN).begun(),
        await Open(session, told(ended), Content_Type=PLAIN, Content_Length="99").begun(),
    ]
    gone = await Open(session, told([]), Content_Type=PLAIN).begun()
    parts.sessions.revoke(session.id)
    assert await gone.over() is False
    assert not any(each.task.done() for each in open_)
    for each in open_:
        each.incoming.put_nowait({"type": "http.disconnect"})
        assert await each.over() is False
    assert ended == ["told"] * 3


@in_a_loop
async def test_a_client_that_reads_nothing(parts, session):
    """It is not waited for. Since Django 6.1 what stops the sending has to stop the whole task."""
    stream = Open(session, told([]), Content_Type=EVENTS)
    stream.blocks = asyncio.Event()
    await stream.begun()
    parts.sessions.revoke(session.id)
    assert await stream.over(loud=LOUD or django.VERSION >= (6, 1)) is False


@in_a_loop
async def test_a_view_that_goes_on_all_the_same(parts, session):
    """What it says after the end goes nowhere."""

    async def stubborn():
        yield b"here"
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                yield b"secret"

    stream = await Open(session, stubborn(), Content_Type=EVENTS).begun()
    parts.sessions.revoke(session.id)
    assert await stream.over(loud=False) is True
    assert b"secret" not in b"".join(each.get("body", b"") for each in stream.sent)


@pytest.fixture
def passing(monkeypatch):
    """Time, as streams of threads see it, in seconds."""
    return time_in(monkeypatch, lasting, wsgi_stream)


def test_streams_of_threads_end_with_their_session(parts, browser, session, passing):
    """The next chunk after the end does not go out, and the generator is closed."""
    browser.cookies["__Host-session"] = session.cookie
    closed = []

    def lines():
        try:
            while True:
                yield b"here"
        finally:
            closed.append(True)

    def view(request):
        request.session.get("x")
        return StreamingHttpResponse(lines(), content_type=PLAIN)

    urls.STEPS.append(view)
    response = browser.get("/visit")
    chunks = iter(response.streaming_content)
    assert next(chunks) == b"here"
    parts.sessions.revoke(session.id)
    assert next(chunks) == b"here"
    passing[0] += BOUND.total_seconds()
    with pytest.raises(SessionEnded):
        next(chunks)
    response.close()
    assert closed == [True]


def test_what_is_no_stream_is_left_alone(browser, session):
    """A plain response costs nothing more."""
    browser.cookies["__Host-session"] = session.cookie
    urls.STEPS.append(lambda request: HttpResponse(request.session.get("x") or "plain"))
    assert browser.get("/visit").content == b"plain"
