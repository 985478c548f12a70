"""What `manage.py check` says: each contradiction with its reason, before a request meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core import checks

from holdfast.errors import ConfigurationError
from holdfast.web.django import adoption, configuration, provisions

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = "holdfast.web.django.sessions"
MIDDLEWARE = "holdfast.web.django.middleware.HoldfastMiddleware"
_SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def check(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:  # noqa: ARG001 - Django's signature
    """The messages of all checks."""
    return [*_contradictions(), *_places(), *_doubts()]


def _contradictions() -> Iterator[checks.CheckMessage]:
    try:
        configuration.settings_of(settings)
        provisions.secrets_of(settings)
        adoption.of(settings)
    except ConfigurationError as error:
        yield checks.Error(str(error), id="holdfast.E001")


def _places() -> Iterator[checks.CheckMessage]:
    if settings.SESSION_ENGINE != ENGINE:
        yield checks.Error(
            "request.session would be another session than the one that is checked.",
            hint=f"SESSION_ENGINE = {ENGINE!r}",
            id="holdfast.E002",
        )
    if MIDDLEWARE not in settings.MIDDLEWARE:
        yield checks.Error(
            "No request has a session.",
            hint=f"Put {MIDDLEWARE!r} into MIDDLEWARE.",
            id="holdfast.E003",
        )
    if _SESSIONS in settings.MIDDLEWARE:
        yield checks.Error(
            f"{_SESSIONS!r} sets cookies of its own.",
            hint=f"Put {MIDDLEWARE!r} in its place.",
            id="holdfast.E004",
        )
    if _CSRF in settings.MIDDLEWARE:
        yield checks.Error(
            f"{_CSRF!r} checks what is checked already, by rules that refuse our tokens.",
            hint="Take it out of MIDDLEWARE; {% csrf_token %}, csrf_protect and csrf_exempt work on.",
            id="holdfast.E005",
        )
    if not settings.is_overridden("SESSION_COOKIE_NAME"):
        yield checks.Error(
            "Django's test client, and others who look for the cookie, would look for 'sessionid'.",
            hint="SESSION_COOKIE_NAME = '__Host-session'",
            id="holdfast.E006",
        )


def _doubts() -> Iterator[checks.CheckMessage]:
    if settings.SESSION_SAVE_EVERY_REQUEST:
        yield checks.Warning(
            "SESSION_SAVE_EVERY_REQUEST does nothing: activity is noted by itself.",
            id="holdfast.W001",
        )
    if settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST:
        yield checks.Warning(
            "SECURE_PROXY_SSL_HEADER and USE_X_FORWARDED_HOST believe everybody's headers; the checks"
            " of the session believe a proxy by its address.",
            hint="HOLDFAST = Settings(trusted_proxies=('10.0.0.0/8',))",
            id="holdfast.W002",
        )
    if apps.is_installed("allauth.usersessions"):
        yield checks.Warning(
            "allauth.usersessions opens sessions by keys that it has noted, and finds none: it shows"
            " an empty list, and 'sign out everywhere else' ends nothing.",
            hint="Take it out; holdfast.assembly().blocking lists (sessions_of) and ends (revoke,"
            " revoke_all) a user's sessions.",
            id="holdfast.W003",
        )
