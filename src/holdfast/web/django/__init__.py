"""Holdfast for Django: `request.session` as ever, and the checks of the chain around the views.

INSTALLED_APPS = ["holdfast.web.django", *INSTALLED_APPS]
SESSION_ENGINE = "holdfast.web.django.sessions"
SESSION_COOKIE_NAME = "__Host-session"
CSRF_USE_SESSIONS = True
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "holdfast.web.django.middleware.HoldfastMiddleware",  # for SessionMiddleware and CsrfViewMiddleware
    ...
]

from holdfast.web import django as holdfast

@holdfast.require
def me(request):
    return JsonResponse({"user": holdfast.session_of(request).subject})
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.session import Session
from holdfast.web.django.guards import (
    require,
    require_csrf,
    require_fresh,
    require_permission,
    require_role,
)
from holdfast.web.django.here import assembly, exchange_of

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = [
    "Session",
    "assembly",
    "csrf_token",
    "require",
    "require_csrf",
    "require_fresh",
    "require_permission",
    "require_role",
    "session_of",
]


def session_of(request: HttpRequest) -> Session:
    """The visitor's session itself, of which `request.session` is a view; empty if nobody is there.

    Raises:
        UsageError: the path is one of `exclude_paths` or `health_paths`, or the middleware is not
            installed.
        StoreError: the store cannot answer.
    """
    return exchange_of(request).seen().require_session()


def csrf_token(request: HttpRequest) -> str:
    """A token for the visitor's next unsafe request: header `X-CSRF-Token`, field `csrf_token`.

    Django's own `{% csrf_token %}` and `get_token` work as well.
    """
    exchange = exchange_of(request)
    return exchange.chain.csrf.token(exchange.seen())
