"""The floor of the chain over Starlette: what anybody would write by hand, and not a product.

Cookie, session, CSRF token, quota, one write, in one function without a seam: no transport check, no audit,
no bearer tokens, no revocation, no rotation, no races considered. `FLOOR_STORE` is a SQLite file; without it
sessions live in a dictionary.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from starlette.requests import Request

_IDLE_S = 3600
_LIMIT = 1_000_000
_KEY = secrets.token_bytes(32)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PRIVATE = [(b"vary", b"Cookie"), (b"cache-control", b"no-store")]
_encode = msgspec.msgpack.Encoder().encode


class Held(msgspec.Struct, array_like=True):
    """A session: whose, by which secret, since when, how many writes, and its data."""

    subject: str
    digest: bytes
    seen_at: float
    writes: int
    data: dict[str, Any]


_decode = msgspec.msgpack.Decoder(Held).decode


class Sqlite:
    """Sessions in a file, read and written where they are used."""

    def __init__(self, path: str) -> None:
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS s (id TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID"
        )

    def get(self, id: str) -> Held | None:
        """The session of this id."""
        row = self._base.execute("SELECT body FROM s WHERE id = ?", (id,)).fetchone()
        return None if row is None else _decode(row[0])

    def __setitem__(self, id: str, held: Held) -> None:
        self._base.execute("INSERT OR REPLACE INTO s VALUES (?, ?)", (id, _encode(held)))


_path = os.environ.get("FLOOR_STORE")
_store: Sqlite | dict[str, Held] = Sqlite(_path) if _path else {}


def _token_of(id: str) -> str:
    return hmac.digest(_KEY, id.encode(), "sha256").hex()


def _found(headers: dict[bytes, bytes]) -> tuple[str, Held] | None:
    for part in headers.get(b"cookie", b"").decode("latin-1").split("; "):
        if part.startswith("session="):
            id, _, secret = part[8:].partition(".")
            held = _store.get(id)
            digest = hashlib.sha256(secret.encode()).digest()
            if held is None or not hmac.compare_digest(held.digest, digest):
                return None
            return (id, held) if time.time() - held.seen_at < _IDLE_S else None
    return None


class Floor:
    """The chain as one piece of ASGI."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        found = _found(headers)
        scope["found"] = found
        if found is not None and scope["method"] not in _SAFE:
            token = headers.get(b"x-csrf-token", b"").decode("latin-1")
            if not hmac.compare_digest(token, _token_of(found[0])):
                await JSONResponse({"error": "Forbidden"}, 403)(scope, receive, send)
                return
            found[1].writes += 1
            if found[1].writes > _LIMIT:
                await JSONResponse({"error": "Too many requests"}, 429)(scope, receive, send)
                return

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_PRIVATE]}
            await send(message)

        await self._app(scope, receive, sending)


async def login(request: Request) -> JSONResponse:
    id, secret = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).digest()
    _store[id] = Held(f"user-{request.path_params['number']}", digest, time.time(), 0, {})
    answer = JSONResponse({"ok": True})
    answer.set_cookie("session", f"{id}.{secret}", httponly=True)
    return answer


async def csrf(request: Request) -> JSONResponse:
    return JSONResponse({"token": _token_of(request.scope["found"][0])})


async def me(request: Request) -> JSONResponse:
    found = request.scope["found"]
    if found is None:
        return JSONResponse({"error": "Unauthorized"}, 401)
    return JSONResponse({"user": found[1].subject})


async def note(request: Request) -> JSONResponse:
    id, held = request.scope["found"]
    held.data["note"] = (await request.json())["text"]
    held.data["count"] = held.data.get("count", 0) + 1
    _store[id] = held
    return JSONResponse({"ok": True})


app = Starlette(
    routes=[
        Route("/me", me),
        Route("/note", note, methods=["POST"]),
        Route("/login/{number:int}", login, methods=["POST"]),
        Route("/csrf", csrf),
    ],
    middleware=[Middleware(Floor)],
)
