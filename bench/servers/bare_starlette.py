"""Starlette with nothing around it: what all ASGI chains are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


async def me(_: Request) -> JSONResponse:
    return JSONResponse({"user": "user-1"})


async def note(request: Request) -> JSONResponse:
    body = await request.json()
    return JSONResponse({"ok": bool(body["text"])})


app = Starlette(routes=[Route("/me", me), Route("/note", note, methods=["POST"])])
