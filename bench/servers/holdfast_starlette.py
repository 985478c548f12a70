"""Holdfast around Starlette; the store comes from `HOLDFAST_STORE`."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from holdfast import Rate, Settings
from holdfast.assembly import assemble
from holdfast.web.asgi import HoldfastMiddleware, csrf_token, require, session_of

if TYPE_CHECKING:
    from starlette.requests import Request

logging.getLogger("holdfast").setLevel(logging.ERROR)


async def login(request: Request) -> JSONResponse:
    session_of(request).sign_in(f"user-{request.path_params['number']}", role="user")
    return JSONResponse({"ok": True})


async def csrf(request: Request) -> JSONResponse:
    return JSONResponse({"token": csrf_token(request)})


async def me(request: Request) -> JSONResponse:
    return JSONResponse({"user": require(request).subject})


async def note(request: Request) -> JSONResponse:
    session = require(request)
    body = await request.json()
    session["note"] = body["text"]
    session["count"] = session.get("count", 0) + 1
    return JSONResponse({"ok": True})


_settings = Settings.for_development(rate=Rate(limit=1_000_000))
_assembly = assemble(_settings, secret=secrets.token_urlsafe(32))
# In the order of the bare application, so that finding a route costs both the same.
_routes = [
    Route("/me", me),
    Route("/note", note, methods=["POST"]),
    Route("/login/{number:int}", login, methods=["POST"]),
    Route("/csrf", csrf),
]
app = Starlette(routes=_routes, middleware=[Middleware(HoldfastMiddleware, chain=_assembly.chain)])
