"""The same small shop in three frameworks, as an application under test."""

from datetime import timedelta
from typing import Annotated

import flask
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from holdfast.assembly import assemble
from holdfast.errors import HoldfastError
from holdfast.web import asgi
from holdfast.web import fastapi as fast
from holdfast.web import flask as holdfast

SECRET = "a secret for tests: kelp 4 seven otters 0291"


def fastapi_shop():
    app = FastAPI()
    own = fast.Holdfast(app, secret=SECRET, store="memory://")

    @app.get("/me")
    def me(session: Annotated[fast.Session, Depends(fast.require)]):
        return {"user": session.subject, "role": session.claims.get("role")}

    @app.get("/reason")
    def reason(session: Annotated[fast.Session, Depends(fast.current)]):
        return {"reason": session.reason}

    @app.get("/fresh")
    def fresh(session: Annotated[fast.Session, Depends(fast.require_fresh(timedelta(minutes=5)))]):
        return {"user": session.subject}

    @app.post("/cart")
    def cart(session: Annotated[fast.Session, Depends(fast.require)]):
        session["n"] = session.get("n", 0) + 1
        return {"n": session["n"]}

    @app.post("/subscribe", dependencies=[Depends(fast.require_csrf)])
    def subscribe():
        return {"done": True}

    @app.post("/logout")
    def logout(session: Annotated[fast.Session, Depends(fast.current)]):
        session.sign_out()
        return {"done": True}

    @app.get("/tokens")
    async def tokens(session: Annotated[fast.Session, Depends(fast.require)]):
        return (await own.assembly.sessions.issue_tokens(session)).as_dict()

    return app


def starlette_shop():
    async def me(request):
        session = asgi.require(request)
        return JSONResponse({"user": session.subject, "role": session.claims.get("role")})

    async def reason(request):
        return JSONResponse({"reason": asgi.session_of(request).reason})

    async def fresh(request):
        return JSONResponse({"user": asgi.require_fresh(request, timedelta(minutes=5)).subject})

    async def cart(request):
        session = asgi.require(request)
        session["n"] = session.get("n", 0) + 1
        return JSONResponse({"n": session["n"]})

    async def subscribe(request):
        asgi.require_csrf(request)
        return JSONResponse({"done": True})

    async def logout(request):
        asgi.session_of(request).sign_out()
        return JSONResponse({"done": True})

    async def tokens(request):
        sessions = request.scope["holdfast.chain"].sessions
        return JSONResponse((await sessions.issue_tokens(asgi.require(request))).as_dict())

    reading = [me, reason, fresh, tokens]
    writing = [cart, subscribe, logout]
    routes = [Route(f"/{view.__name__}", view) for view in reading]
    routes += [Route(f"/{view.__name__}", view, methods=["POST"]) for view in writing]
    from holdfast.settings import Settings

    parts = assemble(Settings(), secret=SECRET, store="memory://")
    return Starlette(
        routes=routes, middleware=[Middleware(asgi.HoldfastMiddleware, chain=parts.chain)]
    )


def flask_shop():
    app = flask.Flask("shop")
    own = holdfast.Holdfast(app, secret=SECRET, store="memory://")
    session = holdfast.session

    @app.get("/me")
    @holdfast.require
    def me():
        return {"user": session.subject, "role": session.claims.get("role")}

    @app.get("/reason")
    def reason():
        return {"reason": session.reason}

    @app.get("/fresh")
    @holdfast.require_fresh(timedelta(minutes=5))
    def fresh():
        return {"user": session.subject}

    @app.post("/cart")
    @holdfast.require
    def cart():
        session["n"] = session.get("n", 0) + 1
        return {"n": session["n"]}

    @app.post("/subscribe")
    @holdfast.require_csrf
    def subscribe():
        return {"done": True}

    @app.post("/logout")
    def logout():
        session.sign_out()
        return {"done": True}

    @app.get("/tokens")
    def tokens():
        return own.sessions.issue_tokens(session).as_dict()

    return app


def middleware_shop():
    """The middleware around an application that makes an answer of whatever is raised."""
    shop = starlette_shop()

    async def answered(request, error):
        reply = asgi.reply_to(request, error)
        return Response(reply.body, reply.status, dict(reply.headers))

    shop.add_exception_handler(HoldfastError, answered)
    (entry,) = shop.user_middleware
    shop.user_middleware.clear()
    return asgi.HoldfastMiddleware(shop, **entry.kwargs)


SHOPS = {
    "asgi": middleware_shop,
    "fastapi": fastapi_shop,
    "starlette": starlette_shop,
    "flask": flask_shop,
}
