"""Dependencies of handlers: the session, and who may pass. Cookie and token pass the same guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, NoReturn, TypeVar, overload

import msgspec
from fastapi import Depends, Security
from fastapi.requests import HTTPConnection

from holdfast.chain.auth import require_argument
from holdfast.errors import UsageError
from holdfast.session import Session
from holdfast.signed_in import SignedIn
from holdfast.web import asgi
from holdfast.web.fastapi.openapi import BEARER, COOKIE
from holdfast.web.typed import Typed

Guard = Callable[..., Awaitable[Session]]
SignedInGuard = Callable[..., Awaitable[SignedIn]]
S = TypeVar("S", bound=msgspec.Struct)


class _Uncalled:
    """On the argument of what makes a guard: FastAPI looks at it when the call was forgotten.

    It would take `Depends(require_role)` for a dependency itself, and ask the query for `role`.
    """

    def __init__(self, example: str) -> None:
        self._example = example

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> NoReturn:
        """Refuse the route where it is written down, not at the first request."""
        guard = self._example.partition("(")[0]
        raise UsageError(
            f"Depends({guard}): it makes a guard, and must be called;"
            f" for example Depends({self._example})"
        )


_ROLE = 'require_role("admin")'
_MAX_AGE = "require_fresh(timedelta(minutes=5))"


async def current(connection: HTTPConnection) -> Session:
    """The visitor's session; empty if nobody is signed in."""
    return asgi.session_of(connection)


async def require(
    connection: HTTPConnection, _cookie: None = Security(COOKIE), _bearer: None = Security(BEARER)
) -> SignedIn:
    """The session of somebody who is signed in, by cookie or bearer token; otherwise 401."""
    return asgi.require(connection)


# By place only, and so never filled from a query, whatever FastAPI makes of the annotation.


def require_fresh(max_age: Annotated[timedelta, _Uncalled(_MAX_AGE)], /) -> SignedInGuard:
    """A dependency: the subject proved who they are at most `max_age` ago; otherwise 401."""
    require_argument("require_fresh", max_age, timedelta, _MAX_AGE)

    async def fresh(
        connection: HTTPConnection,
        _cookie: None = Security(COOKIE),
        _bearer: None = Security(BEARER),
    ) -> SignedIn:
        return asgi.require_fresh(connection, max_age)

    return fresh


def require_role(role: Annotated[str, _Uncalled(_ROLE)], /) -> SignedInGuard:
    """A dependency: the subject's claim `role` is, or holds, this; otherwise 401 or 403."""
    require_argument("require_role", role, str, _ROLE)

    async def with_role(
        connection: HTTPConnection,
        _cookie: None = Security(COOKIE),
        _bearer: None = Security(BEARER),
    ) -> SignedIn:
        return asgi.require_role(connection, role)

    return with_role


async def csrf_token(connection: HTTPConnection) -> str:
    """A dependency: a token for the visitor's next unsafe request."""
    return asgi.csrf_token(connection)


async def require_csrf(connection: HTTPConnection) -> None:
    """A dependency: refuse an unsafe request without a valid token also where no session exists."""
    asgi.require_csrf(connection)


@overload
def typed(kind: type[S], guard: SignedInGuard) -> Callable[..., Awaitable[Typed[S, SignedIn]]]: ...
@overload
def typed(kind: type[S], guard: Guard = ...) -> Callable[..., Awaitable[Typed[S]]]: ...
def typed(kind: type[S], guard: Guard = current) -> Callable[..., Awaitable[Typed[S]]]:
    """A dependency: the session's data as a `msgspec.Struct`, behind `guard`."""

    async def of_kind(session: Session = Depends(guard)) -> Typed[S]:
        return Typed(session, kind)

    return of_kind
