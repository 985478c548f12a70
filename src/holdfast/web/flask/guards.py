"""Guards for views, below the route. Cookie and bearer token pass the same guard.

@app.get("/me")
@require
def me(): ...
"""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from flask import current_app

from holdfast.web.flask.here import exchange

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from holdfast.web.wsgi_exchange import Exchange

P = ParamSpec("P")
R = TypeVar("R")


def require(view: Callable[P, R]) -> Callable[P, R]:
    """Only for somebody who is signed in; otherwise 401."""
    return _guarded(view, lambda here: here.chain.require(here.seen()))


def require_fresh(max_age: timedelta) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only for somebody who proved who they are at most `max_age` ago; otherwise 401."""
    return lambda view: _guarded(view, lambda here: here.chain.require_fresh(here.seen(), max_age))


def require_role(role: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only for somebody whose claim `role` is, or holds, this; otherwise 401 or 403."""
    return lambda view: _guarded(view, lambda here: here.chain.require_role(here.seen(), role))


def require_csrf(view: Callable[P, R]) -> Callable[P, R]:
    """Refuse an unsafe request without a valid token also where no session exists yet: 403."""
    return _guarded(view, lambda here: here.chain.csrf.require(here.seen()))


def _guarded(view: Callable[P, R], check: Callable[[Exchange], object]) -> Callable[P, R]:
    suspends = iscoroutinefunction(view)

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        check(exchange())
        run: Callable[P, R] = current_app.ensure_sync(view) if suspends else view
        return run(*args, **kwargs)

    return guarded
