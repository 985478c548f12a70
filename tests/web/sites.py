"""One small site, written in each framework. What it does for whom is in `test_scenarios.py`.

    POST /login {"user"}     session.sign_in            GET /me       require
    POST /form               sign-in by a form          GET /fresh    require_fresh, 5 minutes
    POST /logout             session.sign_out           GET /admin    require_role
    GET  /open               never looks at the session GET /csrf     csrf_token
    POST /write {…}          session.update             GET /visits   counts in the session
    POST /work {…}           several things and an end of its own: see `work`
    GET  /stream             late writes                POST /tokens  issue_tokens
    POST /checked            require_csrf               POST /echo    the body it got
    GET  /callback           sign-in by GET             WS   /ws      says who is there

A further framework is a further row of `SITES`: a function that makes its application for an assembly.
"""

import json as jsonlib
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI
from fastapi import Request as FastRequest
from fastapi import WebSocket as FastSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from holdfast.web import asgi
from holdfast.web import fastapi as holdfast
from web.site_in_django import site_in_django_asgi, site_in_django_wsgi
from web.site_in_flask import site_in_flask
from web.site_in_litestar import site_in_litestar
from web.site_in_quart import site_in_quart
from web.site_work import FRESH, OWN_HEADERS, late_write, visits, work


def site_in_starlette(assembly):
    """Handlers of Starlette, with the functions of `holdfast.web.asgi`."""

    async def login(request):
        session = asgi.session_of(request)
        session.sign_in((await request.json())["user"], role="admin")
        return JSONResponse({"success": True})

    async def form(request):
        fields = parse_qs((await request.body()).decode())
        asgi.session_of(request).sign_in(fields["user"][0])
        return JSONResponse({"success": True})

    async def callback(request):
        asgi.session_of(request).sign_in(request.query_params["user"])
        return JSONResponse({"success": True})

    async def logout(request):
        asgi.session_of(request).sign_out()
        return JSONResponse({"success": True})

    async def write(request):
        asgi.session_of(request).update(await request.json())
        return JSONResponse({"success": True})

    async def do_work(request):
        status = work(asgi.session_of(request), await request.json())
        return JSONResponse({"done": True}, status, OWN_HEADERS)

    async def stream(request):
        session = asgi.session_of(request)

        async def lines():
            yield f"{session.subject}\n"
            yield late_write(session)

        return StreamingResponse(lines())

    async def tokens(request):
        session = asgi.require(request)
        return JSONResponse((await assembly.sessions.issue_tokens(session)).as_dict())

    async def checked(request):
        asgi.require_csrf(request)
        return JSONResponse({"success": True})

    async def echo(request):
        return Response(await request.body())

    async def socket(websocket):
        session = asgi.session_of(websocket)
        if websocket.query_params.get("sign_in"):
            session.sign_in("bob")
        await websocket.accept()
        await websocket.send_text(f"{session.subject} {late_write(session)}")
        await websocket.close()

    def answer(of):
        async def handler(request):
            return JSONResponse(of(request))

        return handler

    routes = [
        Route("/login", login, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/callback", callback),
        Route("/logout", logout, methods=["POST"]),
        Route("/write", write, methods=["POST"]),
        Route("/work", do_work, methods=["POST"]),
        Route("/stream", stream),
        Route("/tokens", tokens, methods=["POST"]),
        Route("/checked", checked, methods=["POST", "GET"]),
        Route("/echo", echo, methods=["POST"]),
        Route("/visits", answer(lambda request: visits(asgi.session_of(request)))),
        Route("/me", answer(lambda request: {"user": asgi.require(request).subject})),
        Route(
            "/fresh", answer(lambda request: {"user": asgi.require_fresh(request, FRESH).subject})
        ),
        Route(
            "/admin", answer(lambda request: {"user": asgi.require_role(request, "admin").subject})
        ),
        Route("/csrf", answer(lambda request: {"token": asgi.csrf_token(request)})),
        Route("/excluded", answer(lambda request: {"user": asgi.session_of(request).subject})),
        *(
            Route(path, lambda _request: PlainTextResponse("open"))
            for path in ("/open", "/healthz")
        ),
        WebSocketRoute("/ws", socket),
    ]
    middleware = [Middleware(asgi.HoldfastMiddleware, chain=assembly.chain)]
    return Starlette(routes=routes, middleware=middleware)


def site_in_fastapi(assembly):
    """The same with dependencies, and handlers that run in threads."""
    app = FastAPI()
    holdfast.Holdfast(app, assembly=assembly)
    current, required = Depends(holdfast.current), Depends(holdfast.require)

    @app.post("/login")
    def login(fields: dict, session=current):
        session.sign_in(fields["user"], role="admin")
        return {"success": True}

    @app.post("/form")
    async def form(request: FastRequest, session=current):
        fields = parse_qs((await request.body()).decode())
        session.sign_in(fields["user"][0])
        return {"success": True}

    @app.get("/callback")
    def callback(user: str, session=current):
        session.sign_in(user)
        return {"success": True}

    @app.post("/logout")
    def logout(session=current):
        session.sign_out()
        return {"success": True}

    @app.post("/write")
    def write(fields: dict, session=current):
        session.update(fields)
        return {"success": True}

    @app.post("/work")
    def do_work(order: dict, session=current):
        return JSONResponse({"done": True}, work(session, order), OWN_HEADERS)

    @app.get("/stream")
    def stream(session=current):
        def lines():
            yield f"{session.subject}\n"
            yield late_write(session)

        return StreamingResponse(lines())

    @app.post("/tokens")
    async def tokens(session=required):
        return (await assembly.sessions.issue_tokens(session)).as_dict()

    @app.api_route(
        "/checked", methods=["POST", "GET"], dependencies=[Depends(holdfast.require_csrf)]
    )
    def checked():
        return {"success": True}

    @app.post("/echo")
    async def echo(request: FastRequest):
        return Response(await request.body())

    @app.get("/visits")
    def count(session=current):
        return visits(session)

    @app.get("/me")
    def me(session=required):
        return {"user": session.subject}

    @app.get("/fresh")
    def fresh(session=Depends(holdfast.require_fresh(FRESH))):
        return {"user": session.subject}

    @app.get("/admin")
    def admin(session=Depends(holdfast.require_role("admin"))):
        return {"user": session.subject}

    @app.get("/csrf")
    def csrf(token=Depends(holdfast.csrf_token)):
        return {"token": token}

    @app.get("/excluded")
    def excluded(session=current):
        return {"user": session.subject}

    @app.get("/open")
    @app.get("/healthz")
    def open_to_all():
        return PlainTextResponse("open")

    @app.websocket("/ws")
    async def socket(websocket: FastSocket, session=current):
        if websocket.query_params.get("sign_in"):
            session.sign_in("bob")
        await websocket.accept()
        await websocket.send_text(f"{session.subject} {late_write(session)}")
        await websocket.close()

    return app


def site_in_raw_asgi(assembly):
    """No framework at all: ASGI messages by hand."""

    async def app(scope, receive, send):
        here = Here(scope)
        if scope["type"] == "websocket":
            return await socket(here, receive, send)
        body = await read(receive)
        if scope["path"] == "/stream":
            return await stream(here, send)
        status, headers, answer = await handle(assembly, here, body)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
        return None

    return asgi.HoldfastMiddleware(app, assembly.chain)


class Here:
    """What the guards want of a framework's request."""

    def __init__(self, scope):
        self.scope = scope

    @property
    def query(self):
        return {
            name: value[0] for name, value in parse_qs(self.scope["query_string"].decode()).items()
        }


async def read(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def handle(assembly, here, body):
    path = here.scope["path"]
    if path in {"/open", "/healthz"}:
        return 200, [], b"open"
    if path == "/echo":
        return 200, [], body
    if path == "/work":
        status = work(asgi.session_of(here), jsonlib.loads(body))
        own = [(name.lower().encode(), value.encode()) for name, value in OWN_HEADERS.items()]
        return status, own, b'{"done": true}'
    said = await say(assembly, here, path, body)
    return 404 if said is None else 200, [], jsonlib.dumps(said).encode()


async def say(assembly, here, path, body):
    match path:
        case "/login":
            asgi.session_of(here).sign_in(jsonlib.loads(body)["user"], role="admin")
        case "/form":
            asgi.session_of(here).sign_in(parse_qs(body.decode())["user"][0])
        case "/callback":
            asgi.session_of(here).sign_in(here.query["user"])
        case "/logout":
            asgi.session_of(here).sign_out()
        case "/write":
            asgi.session_of(here).update(jsonlib.loads(body))
        case "/checked":
            asgi.require_csrf(here)
        case "/visits":
            return visits(asgi.session_of(here))
        case "/me":
            return {"user": asgi.require(here).subject}
        case "/fresh":
            return {"user": asgi.require_fresh(here, FRESH).subject}
        case "/admin":
            return {"user": asgi.require_role(here, "admin").subject}
        case "/csrf":
            return {"token": asgi.csrf_token(here)}
        case "/excluded":
            return {"user": asgi.session_of(here).subject}
        case "/tokens":
            return (await assembly.sessions.issue_tokens(asgi.require(here))).as_dict()
        case _:
            return None
    return {"success": True}


async def stream(here, send):
    session = asgi.session_of(here)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = f"{session.subject}\n".encode()
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": late_write(session).encode()})


async def socket(here, receive, send):
    await receive()
    session = asgi.session_of(here)
    if "sign_in" in here.query:
        session.sign_in("bob")
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{session.subject} {late_write(session)}"})
    await send({"type": "websocket.close"})


SITES = {
    "asgi": site_in_raw_asgi,
    "starlette": site_in_starlette,
    "fastapi": site_in_fastapi,
    "flask": site_in_flask,
    "litestar": site_in_litestar,
    "quart": site_in_quart,
    "django wsgi": site_in_django_wsgi,
    "django asgi": site_in_django_asgi,
}

OVER_ASGI = [name for name in SITES if name != "flask" and "django" not in name]
"""Those that have WebSockets, and that read the session of every request at once."""
