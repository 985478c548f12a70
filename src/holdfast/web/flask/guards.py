"""Guards for views, below the route. Cookie and bearer token pass the same guard.

@app.get("/me")
@require
def me(): ...
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from flask import current_app

from holdfast.chain.auth import require_argument
from holdfast.errors import UsageError
from holdfast.web.flask.here import exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.web.wsgi_exchange import Exchange

P = ParamSpec("P")
R = TypeVar("R")

_GUARD = "__holdfast_guard__"


def require(view: Callable[P, R]) -> Callable[P, R]:
    """Only for somebody who is signed in; otherwise 401."""
    return _guarded(view, lambda here: here.chain.require(here.seen()))


def require_fresh(max_age: timedelta) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only for somebody who proved who they are at most `max_age` ago; otherwise 401."""
    require_argument("require_fresh", max_age, timedelta, "@require_fresh(timedelta(minutes=5))")
    return lambda view: _guarded(view, lambda here: here.chain.require_fresh(here.seen(), max_age))


def require_role(role: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only for somebody whose claim `role` is, or holds, this; otherwise 401 or 403."""
    require_argument("require_role", role, str, '@require_role("admin")')
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

    with suppress(AttributeError):  # not every callable takes attributes
        setattr(view, _GUARD, guarded)
    return guarded


def refuse_bypassed(views: Iterable[object]) -> None:
    """Refuse guards above `@app.route` or `@app.before_request`, where they guard nothing.

    Flask calls what is below. `views` is what an application calls.

    Raises:
        UsageError: one of these views has a guard that is not called.
    """
    called = {id(layer): layer for view in views for layer in _layers(view)}
    for view in called.values():
        guard = getattr(view, "__dict__", {}).get(_GUARD)
        if guard is not None and id(guard) not in called:
            name = getattr(view, "__qualname__", view)
            raise UsageError(
                f"the guard of {name} stands above its route: put it below @app.route, or what else"
                " hands it over to Flask"
            )


def _layers(view: object) -> Iterator[object]:
    """The view, and what its decorators have wrapped."""
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)
