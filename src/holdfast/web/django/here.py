"""Where a view stands: the exchange of the request that is being answered, and the parts it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import iscoroutinefunction
from django.apps import apps

from holdfast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.assembly import Assembly
    from holdfast.engine import AsyncSessions
    from holdfast.web.django.apps import HoldfastConfig
    from holdfast.web.django.exchange import Exchange


def config() -> HoldfastConfig:
    """The entry of `INSTALLED_APPS` that holds the parts.

    Raises:
        LookupError: `holdfast.web.django` is not in `INSTALLED_APPS`.
    """
    return cast("HoldfastConfig", apps.get_app_config("holdfast"))


def assembly() -> Assembly:
    """The parts of this project: the operations for threads are in `blocking`.

    Those for coroutines are in `sessions`.

    Raises:
        ConfigurationError: there is no secret, or a setting contradicts another.
    """
    return config().assembly


def blocking() -> AsyncSessions:
    """The engine whose coroutines `run` can drive, for threads."""
    return assembly().blocking.engine


def awaiting() -> AsyncSessions:
    """The engine for coroutines."""
    return assembly().sessions


def found(request: object) -> Exchange | None:
    """The exchange of a request; None if the middleware has not seen it."""
    try:
        return exchange_of(request)
    except UsageError:
        return None


def exchange_of(request: object) -> Exchange:
    """The exchange of a request, Django's or that of the REST framework.

    Raises:
        UsageError: the middleware is not installed.
    """
    exchange: Exchange | None = getattr(request, "holdfast_exchange", None)
    if exchange is None:
        raise UsageError(
            "no session here: is holdfast.web.django.middleware.HoldfastMiddleware in MIDDLEWARE?"
        )
    return exchange


def awaits(function: Callable[..., Any]) -> bool:
    """Whether to call it is to get a coroutine, as Django itself finds out."""
    return iscoroutinefunction(function)  # pyright: ignore[reportDeprecated]  # Django marks by it
