"""Streams end at once in each framework, whichever of its tasks does the sending."""

import asyncio
from contextlib import contextmanager
from typing import Any

import pytest
from litestar import Litestar
from litestar import WebSocket as LitestarSocket
from litestar import get as litestar_get
from litestar import websocket as litestar_websocket
from litestar.response import ServerSentEvent, Stream
from quart import Quart, websocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route

from held.loop import Site, in_a_loop, until
from holdfast.web import asgi

ENDED = []


async def events():
    try:
        yield b"data: here\n\n"
        await asyncio.Event().wait()
    finally:
        ENDED.append("events")


def threaded():
    """A plain generator, which runs in a thread."""
    while True:
        yield b"here\n"


@contextmanager
def noted():
    try:
        yield
    finally:
        ENDED.append("echo")


def litestar(assembly):
    @litestar_get("/events")
    async def told() -> ServerSentEvent:
        return ServerSentEvent(events())

    @litestar_get("/lines")
    async def lines() -> Stream:
        return Stream(events(), media_type="text/plain")

    @litestar_websocket("/echo")
    async def echo(socket: LitestarSocket) -> None:
        await socket.accept()
        await socket.send_text("here")
        with noted():
            while True:
                await socket.receive_text()

    return asgi.HoldfastMiddleware(Litestar([told, lines, echo]), assembly.chain)


def quart(assembly):
    app = Quart(__name__)

    @app.get("/events")
    async def told() -> Any:
        answer = await app.make_response(events())
        answer.timeout = None
        return answer, {"Content-Type": "text/event-stream"}

    @app.get("/lines")
    async def lines() -> Any:
        answer = await app.make_response(events())
        answer.timeout = None
        return answer

    @app.websocket("/echo")
    async def echo() -> None:
        await websocket.send("here")
        with noted():
            while True:
                await websocket.receive()

    app.asgi_app = asgi.HoldfastMiddleware(app.asgi_app, assembly.chain)
    return app


def starlette(assembly, *more):
    def told(_request):
        return StreamingResponse(events(), media_type="text/event-stream")

    def lines(_request):
        return StreamingResponse(events())

    def in_threads(_request):
        return StreamingResponse(threaded())

    routes = [Route("/events", told), Route("/lines", lines), Route("/threads", in_threads)]
    holdfast = Middleware(asgi.HoldfastMiddleware, chain=assembly.chain)
    return Starlette(routes=routes, middleware=[holdfast, *more])


def behind_another(assembly):
    """A middleware of that kind runs the application in a task of its own."""

    async def pass_on(request, call_next):
        return await call_next(request)

    return starlette(assembly, Middleware(BaseHTTPMiddleware, dispatch=pass_on))


def in_a_group(assembly):
    """One task sends and another listens, and the first to fail ends both: so does Quart from 0.23 on."""

    async def app(scope, receive, send):
        kind = b"text/event-stream" if scope["path"] == "/events" else b"text/plain"

        async def told():
            headers = [(b"content-type", kind)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for part in events():
                await send({"type": "http.response.body", "body": part, "more_body": True})

        async def listened():
            while (await receive())["type"] != "http.disconnect":
                pass

        async with asyncio.TaskGroup() as group:
            group.create_task(told())
            group.create_task(listened())

    return asgi.HoldfastMiddleware(app, assembly.chain)


APPS = [litestar, quart, starlette, behind_another, in_a_group]


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("app", APPS)
@in_a_loop
async def test_silent_streams(app, spec):
    ENDED.clear()
    site = Site(app=app)
    session = site.sign_in()
    told = await site.open("/events", session, spec=spec).begun()
    lines = await site.open("/lines", session, spec=spec).begun()
    site.sessions.revoke(session.id)
    assert await told.over()
    assert not await lines.over()
    await until(lambda: ENDED == ["events", "events"])


@in_a_loop
async def test_a_stream_of_a_thread():
    site = Site(app=starlette)
    session = site.sign_in()
    stream = await site.open("/threads", session).begun()
    site.sessions.revoke(session.id)
    assert not await stream.over()


@pytest.mark.parametrize("app", [litestar, quart])
@in_a_loop
async def test_sockets(app):
    """Of FastAPI and Starlette they are in `test_keeper`."""
    ENDED.clear()
    site = Site(app=app)
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    site.sessions.revoke(session.id)
    assert await socket.over() == 4401
    assert ENDED == ["echo"]


@in_a_loop
async def test_a_server_that_stops_while_a_stream_is_being_ended():
    """Only what sends has been stopped by us: that the server wants the whole to end is not lost."""
    site = Site(app=in_a_group)
    session = site.sign_in()
    stream = await site.open("/events", session).begun()
    ENDED.clear()
    site.sessions.revoke(session.id)
    await until(lambda: ENDED == ["events"])
    stream.task.cancel()
    await asyncio.wait({stream.task})
    assert stream.task.cancelled()
