"""Guards for views, sync and async. Cookie and bearer token pass the same guard.

@require
def me(request): ...
"""

from __future__ import annotations

from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import sync_to_async

from holdfast.chain import Refusal, auth, error_reply
from holdfast.chain.auth import require_argument
from holdfast.web.django import here

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from holdfast.web.django.exchange import Exchange

V = TypeVar("V", bound="Callable[..., Any]")


def require(view: V) -> V:
    """Only for somebody who is signed in; otherwise 401."""
    return _guarded(view, lambda at: auth.require(at.visit))


def require_fresh(max_age: timedelta) -> Callable[[V], V]:
    """Only for somebody who proved who they are at most `max_age` ago; otherwise 401."""
    require_argument("require_fresh", max_age, timedelta, "@require_fresh(timedelta(minutes=5))")
    return lambda view: _guarded(view, lambda at: at.chain.require_fresh(at.visit, max_age))


def require_role(role: str) -> Callable[[V], V]:
    """Only for somebody whose claim `role` is, or holds, this; otherwise 401 or 403."""
    require_argument("require_role", role, str, '@require_role("admin")')
    return lambda view: _guarded(view, lambda at: at.chain.require_role(at.visit, role))


def require_csrf(view: V) -> V:
    """Refuse an unsafe request without a valid token also where no session exists yet: 403."""
    return _guarded(view, lambda at: at.chain.csrf.require(at.visit))


def require_permission(permission: str) -> Callable[[V], V]:
    """Only for a user with this permission of `contrib.auth`; otherwise 401 or 403."""
    require_argument("require_permission", permission, str, '@require_permission("shop.add_item")')
    return lambda view: _permitted(view, permission)


def _guarded(view: V, check: Callable[[Exchange], object]) -> V:
    if here.awaits(view):

        @wraps(view)
        async def awaiting(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            exchange = here.exchange_of(request)
            await exchange.look(exchange.chain)
            check(exchange)
            return await view(request, *args, **kwargs)

        return cast("V", awaiting)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        exchange = here.exchange_of(request)
        exchange.seen()
        check(exchange)
        return view(request, *args, **kwargs)

    return cast("V", guarded)


def _permitted(view: V, permission: str) -> V:
    if here.awaits(view):

        @wraps(view)
        async def awaiting(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            await sync_to_async(_require_permission)(request, permission)
            return await view(request, *args, **kwargs)

        return require(cast("V", awaiting))

    @wraps(view)
    def permitted(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        _require_permission(request, permission)
        return view(request, *args, **kwargs)

    return require(cast("V", permitted))


def _require_permission(request: HttpRequest, permission: str) -> None:
    user: Any = request.user
    if not user.has_perm(permission):
        raise Refusal(error_reply(403, "forbidden", "Forbidden"))
