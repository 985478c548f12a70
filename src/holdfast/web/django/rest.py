"""For Django's REST framework: authentication by cookie or access token, and permissions.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["holdfast.web.django.rest.HoldfastAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["holdfast.web.django.rest.SignedIn"],
}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from holdfast.chain import Refusal, error_reply
from holdfast.chain.reply import CHALLENGE
from holdfast.faces import run
from holdfast.web.django import here, introduction
from holdfast.web.django.middleware import is_left_out

if TYPE_CHECKING:
    from datetime import timedelta

    from rest_framework.request import Request

    from holdfast.session import Session
    from holdfast.web.django.exchange import Exchange


class HoldfastAuthentication(BaseAuthentication):
    """Who is signed in, by session cookie or `Authorization: Bearer`; `request.auth` is the session.

    The framework exempts its views from CSRF checks. Here a cookie counts only with its token, as in
    any other view; a bearer token needs none.
    """

    def authenticate(self, request: Request) -> tuple[Any, Session] | None:
        """The user and the session; None if nobody is signed in.

        Raises:
            Refusal: 401, the access token does not count; 403, the CSRF token is missing.
        """
        exchange = here.exchange_of(request)
        visit = exchange.seen()
        session = visit.require_session()
        if session.subject is None and visit.request.bearer is None:
            return None
        exchange.chain.require(visit)
        asked = request._request  # noqa: SLF001 - as the framework's own classes do
        refused = None if is_left_out(asked) else run(exchange.chain.prove(visit))
        if refused is not None:
            raise Refusal(refused)
        user = get_user(asked)
        return (user, session) if user.is_authenticated else None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the framework's signature
        """What a 401 asks for."""
        return CHALLENGE[1]


class SignedIn(BasePermission):
    """Only for somebody who is signed in; otherwise 401, with the body of all guards."""

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - as above
        """True, or the refusal is raised; a test's `force_authenticate` counts."""
        return _is_forced(request) or bool(_require(request))


def fresh(max_age: timedelta) -> type[BasePermission]:
    """Only for somebody who proved who they are at most `max_age` ago; otherwise 401."""

    class Fresh(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - as above
            exchange = _require(request)
            return bool(exchange.chain.require_fresh(exchange.visit, max_age))

    return Fresh


def role(name: str) -> type[BasePermission]:
    """Only for somebody whose claim `role` is, or holds, this; otherwise 401 or 403."""

    class Role(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - as above
            exchange = _require(request)
            return bool(exchange.chain.require_role(exchange.visit, name))

    return Role


def _is_forced(request: Request) -> bool:
    """Whether a test says who this is; the framework looks for the same mark."""
    asked = request._request  # noqa: SLF001 - as above
    return getattr(asked, "_force_auth_user", None) is not None


def _require(request: Request) -> Exchange:
    """The exchange of somebody who is signed in, and is no user that was deactivated since.

    Who is no user of this project at all may be one of the service that has signed them in.
    """
    exchange = here.exchange_of(request)
    session = exchange.chain.require(exchange.seen())
    if not request.user.is_authenticated and introduction.is_barred(session.subject or ""):
        raise Refusal(error_reply(401, "unauthenticated", "Unauthorized", CHALLENGE))
    return exchange
