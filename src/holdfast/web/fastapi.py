"""Holdfast for FastAPI: `Holdfast(app)`, and dependencies for handlers.

@app.get("/me")
def me(session: Session = Depends(require)):
    return {"user": session.subject}

All dependencies are coroutines: FastAPI sends plain functions to a thread. Guards say in the
OpenAPI document that they want the session cookie or a bearer token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from fastapi import FastAPI, Security
from fastapi.openapi import models
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from holdfast.assembly import Assembly, assemble
from holdfast.chain import Refusal
from holdfast.session import Session
from holdfast.settings import Cookie, Settings
from holdfast.web import asgi

__all__ = [
    "Holdfast",
    "Refusal",
    "Session",
    "csrf_token",
    "current",
    "require",
    "require_csrf",
    "require_fresh",
    "require_role",
]

Guard = Callable[..., Awaitable[Session]]


class Holdfast:
    """Sessions for a FastAPI application, from `HOLDFAST_SECRET` and `HOLDFAST_STORE` by default.

    Args:
        app: the application; the middleware is added to it.
        settings: defaults to `Settings()`.
        secret: the master secret; a list, newest first, while it is being rotated.
        store: a store URL; the default is SQLite in the working directory.
        assembly: parts that were put together elsewhere, in place of the three above.

    `assembly` holds the parts, `assembly.sessions` the engine for code outside requests.

    Raises:
        ConfigurationError: there is no secret, or a setting contradicts another.
    """

    def __init__(
        self,
        app: FastAPI,
        settings: Settings | None = None,
        *,
        secret: str | list[str] | None = None,
        store: str | None = None,
        assembly: Assembly | None = None,
    ) -> None:
        self.assembly = assembly or assemble(settings or Settings(), secret=secret, store=store)
        app.add_middleware(asgi.HoldfastMiddleware, chain=self.assembly.chain)
        _name_cookie(app, self.assembly.settings.cookie.name)
        app.state.holdfast = self


class _Scheme(SecurityBase):
    """A way to sign in, for the OpenAPI document only: the guard itself does the work."""

    def __init__(self, name: str, model: models.SecurityBase) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None: ...


_COOKIE = _Scheme(
    "session cookie", models.APIKey.model_validate({"in": "cookie", "name": Cookie().name})
)
_BEARER = _Scheme("access token", models.HTTPBearer(bearerFormat="JWT"))


async def current(connection: HTTPConnection) -> Session:
    """The visitor's session; empty if nobody is signed in."""
    return asgi.session_of(connection)


async def require(
    connection: HTTPConnection, _cookie: None = Security(_COOKIE), _bearer: None = Security(_BEARER)
) -> Session:
    """The session of somebody who is signed in, by cookie or bearer token; otherwise 401."""
    return asgi.require(connection)


def require_fresh(max_age: timedelta) -> Guard:
    """A dependency: the subject proved who they are at most `max_age` ago; otherwise 401."""

    async def fresh(
        connection: HTTPConnection,
        _cookie: None = Security(_COOKIE),
        _bearer: None = Security(_BEARER),
    ) -> Session:
        return asgi.require_fresh(connection, max_age)

    return fresh


def require_role(role: str) -> Guard:
    """A dependency: the subject's claim `role` is, or holds, this; otherwise 401 or 403."""

    async def with_role(
        connection: HTTPConnection,
        _cookie: None = Security(_COOKIE),
        _bearer: None = Security(_BEARER),
    ) -> Session:
        return asgi.require_role(connection, role)

    return with_role


async def csrf_token(connection: HTTPConnection) -> str:
    """A dependency: a token for the visitor's next unsafe request."""
    return asgi.csrf_token(connection)


async def require_csrf(connection: HTTPConnection) -> None:
    """A dependency: refuse an unsafe request without a valid token also where no session exists."""
    asgi.require_csrf(connection)


def _name_cookie(app: FastAPI, name: str) -> None:
    """The schemes are shared by all applications; the cookie's name is each one's own."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemes = document.get("components", {}).get("securitySchemes", {})
        if _COOKIE.scheme_name in schemes:
            schemes[_COOKIE.scheme_name]["name"] = name
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual extends a document
