"""starsessions, starlette-csrf and the limits library (async) on Redis, around Starlette."""

from __future__ import annotations

import os

from limits import parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette_csrf import CSRFMiddleware
from starsessions import SessionAutoloadMiddleware, SessionMiddleware
from starsessions.session import get_session_handler, regenerate_session_id
from starsessions.stores.redis import RedisStore

URL = os.environ["BENCH_REDIS"]
limiter = FixedWindowRateLimiter(RedisStorage(f"async+{URL}", implementation="redispy"))
ALLOWED = parse("1000000/15minutes")


class RateLimit:
    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            key = get_session_handler(Request(scope)).session_id or "anonymous"
            if not await limiter.hit(ALLOWED, key):
                return await JSONResponse({"error": "rate"}, 429)(scope, receive, send)
        await self.app(scope, receive, send)
        return None


async def login(request: Request) -> JSONResponse:
    request.session["user"] = f"user-{request.path_params['number']}"
    request.session["role"] = "user"
    regenerate_session_id(request)
    return JSONResponse({"ok": True})


async def csrf(request: Request) -> JSONResponse:
    return JSONResponse({"token": request.cookies.get("csrftoken", "")})


async def me(request: Request) -> JSONResponse:
    if "user" not in request.session:
        return JSONResponse({"error": "Unauthorized"}, 401)
    return JSONResponse({"user": request.session["user"]})


async def note(request: Request) -> JSONResponse:
    if "user" not in request.session:
        return JSONResponse({"error": "Unauthorized"}, 401)
    request.session["note"] = (await request.json())["text"]
    request.session["count"] = request.session.get("count", 0) + 1
    return JSONResponse({"ok": True})


app = Starlette(
    routes=[
        Route("/me", me),
        Route("/note", note, methods=["POST"]),
        Route("/login/{number:int}", login, methods=["POST"]),
        Route("/csrf", csrf),
    ],
    middleware=[
        Middleware(CSRFMiddleware, secret=os.urandom(32).hex(), sensitive_cookies={"session"}),
        Middleware(
            SessionMiddleware,
            store=RedisStore(URL),
            lifetime=86400,
            rolling=True,
            cookie_https_only=False,
        ),
        Middleware(SessionAutoloadMiddleware),
        Middleware(RateLimit),
    ],
)
