"""A site with things that stay open, for servers in processes of their own, and for one loop.

GET  /csrf    POST /login {"user"}    POST /logout    POST /everywhere    POST /everyone
POST /pay     takes any object
WS   /echo    says who is there, then what it hears
WS   /mute    says who is there, and then neither reads nor writes
GET  /events  server-sent events: one, and then silence
GET  /lines   a line each 20 ms, of no announced length
GET  /short   two lines
GET  /ended   how handlers of these have ended

uvicorn --factory held.site:from_environment
"""

import asyncio
import os
from contextlib import contextmanager
from datetime import timedelta

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect
from starlette.responses import StreamingResponse

from holdfast.assembly import assemble
from holdfast.settings import Settings
from holdfast.web.fastapi import Holdfast, csrf_token, current, require

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
BOUND = 4.0
"""Seconds; so long that a busy machine keeps it."""


def from_environment():
    return site(assemble(settings(), secret=SECRET, store=os.environ["HOLDFAST_STORE"]))


def settings(**changes):
    bound = timedelta(seconds=BOUND)
    return Settings.for_development(**{"cache_bound": bound} | changes)


def site(assembly):
    app = FastAPI()
    Holdfast(app, assembly=assembly)
    ended = app.state.ended = []
    _accounts(app, assembly.sessions)
    _streams(app, ended)

    @contextmanager
    def noting(what):
        try:
            yield
        except BaseException as error:
            ended.append(f"{what}: {type(error).__name__} {getattr(error, 'code', '')}".strip())
            raise

    @app.websocket("/echo")
    async def echo(socket: WebSocket, session=Depends(require)):
        await socket.accept()
        await socket.send_text(session.subject)
        try:
            with noting("echo"):
                while True:
                    await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    @app.websocket("/mute")
    async def mute(socket: WebSocket, session=Depends(current)):
        await socket.accept()
        await socket.send_text(str(session.subject))
        with noting("mute"):
            await asyncio.Event().wait()

    @app.post("/pay")
    def pay(_order: dict, session=Depends(require)):
        ended.append(f"{session.subject} has paid")

    @app.get("/ended")
    def how():
        return ended

    return app


def _accounts(app, sessions):
    @app.get("/csrf")
    def csrf(token=Depends(csrf_token)):
        return token

    @app.post("/login")
    def login(fields: dict, session=Depends(current)):
        session.sign_in(fields["user"])

    @app.post("/logout")
    def logout(session=Depends(require)):
        session.sign_out()

    @app.post("/everywhere")
    async def everywhere(session=Depends(require)):
        await sessions.revoke_all(session.subject)

    @app.post("/everyone")
    async def everyone(_session=Depends(require)):
        await sessions.revoke_everyone()

    @app.post("/tokens")
    async def tokens(session=Depends(require)):
        return (await sessions.issue_tokens(session)).as_dict()


def _streams(app, ended):
    @app.get("/events")
    def events(session=Depends(require)):
        async def told():
            try:
                yield f"data: {session.subject}\n\n"
                await asyncio.Event().wait()
            finally:
                ended.append("events")

        return StreamingResponse(told(), media_type="text/event-stream")

    @app.get("/lines")
    def lines(session=Depends(require)):
        async def told():
            while True:
                yield f"{session.subject}\n"
                await asyncio.sleep(0.02)

        return StreamingResponse(told(), media_type="text/plain")

    @app.get("/short")
    def short(session=Depends(require)):
        return StreamingResponse(iter([f"{session.subject}\n", "end\n"]))
