"""Dependencies of handlers: the session, and who may pass. Cookie and token pass the same guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import msgspec
from fastapi import Depends, Security
from fastapi.requests import HTTPConnection

from holdfast.chain.auth import require_argument
from holdfast.session import Session
from holdfast.web import asgi
from holdfast.web.fastapi.openapi import BEARER, COOKIE
from holdfast.web.typed import Typed

Guard = Callable[..., Awaitable[Session]]
S = TypeVar("S", bound=msgspec.Struct)


async def current(connection: HTTPConnection) -> Session:
    """The visitor's session; empty if nobody is signed in."""
    return asgi.session_of(connection)


async def require(
    connection: HTTPConnection, _cookie: None = Security(COOKIE), _bearer: None = Security(BEARER)
) -> Session:
    """The session of somebody who is signed in, by cookie or bearer token; otherwise 401."""
    return asgi.require(connection)


# What makes a guard takes its argument by place only: FastAPI would take `Depends(require_role)`, with
# the call forgotten, for a dependency itself, and fill `role` from the query of whoever asks.


def require_fresh(max_age: timedelta, /) -> Guard:
    """A dependency: the subject proved who they are at most `max_age` ago; otherwise 401."""
    require_argument("require_fresh", max_age, timedelta, "require_fresh(timedelta(minutes=5))")

    async def fresh(
        connection: HTTPConnection,
        _cookie: None = Security(COOKIE),
        _bearer: None = Security(BEARER),
    ) -> Session:
        return asgi.require_fresh(connection, max_age)

    return fresh


def require_role(role: str, /) -> Guard:
    """A dependency: the subject's claim `role` is, or holds, this; otherwise 401 or 403."""
    require_argument("require_role", role, str, 'require_role("admin")')

    async def with_role(
        connection: HTTPConnection,
        _cookie: None = Security(COOKIE),
        _bearer: None = Security(BEARER),
    ) -> Session:
        return asgi.require_role(connection, role)

    return with_role


async def csrf_token(connection: HTTPConnection) -> str:
    """A dependency: a token for the visitor's next unsafe request."""
    return asgi.csrf_token(connection)


async def require_csrf(connection: HTTPConnection) -> None:
    """A dependency: refuse an unsafe request without a valid token also where no session exists."""
    asgi.require_csrf(connection)


def typed(kind: type[S], guard: Guard = current) -> Callable[..., Awaitable[Typed[S]]]:
    """A dependency: the session's data as a `msgspec.Struct`, behind `guard`."""

    async def of_kind(session: Session = Depends(guard)) -> Typed[S]:
        return Typed(session, kind)

    return of_kind
