"""A Django project under test: `application` of its `wsgi.py` or `asgi.py`, and Django's own clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.assembly import Assembly

_HANDLER = ("django.core.handlers.base", "BaseHandler")
_ASYNC = "django.core.handlers.asgi"


def is_project(app: Any) -> bool:
    """Whether this is Django, by name: what is not installed is not imported."""
    return any((cls.__module__, cls.__name__) == _HANDLER for cls in type(app).__mro__)


def parts() -> Assembly:
    """The parts of the project; there is one in a process."""
    from holdfast.web.django.here import config

    return config().settled()


def client(app: Any, **options: Any) -> Any:
    """Django's `Client`, or `AsyncClient` for ASGI, over HTTPS and with the checks of CSRF tokens."""
    from django.test import AsyncClient, Client

    options.setdefault("enforce_csrf_checks", True)
    browser: Any = (AsyncClient if type(app).__module__ == _ASYNC else Client)(**options)
    plain = browser.generic

    def over_https(*args: Any, **given: Any) -> Any:
        return plain(*args, **{**given, "secure": True})

    browser.generic = over_https
    return browser


class DjangoJar:
    """The cookies of `django.test.Client` and `AsyncClient`, also of one that a project made itself."""

    def __init__(self, client: Any) -> None:
        self._cookies = client.cookies
        self.app: Any = client.handler

    def get(self, name: str) -> str | None:
        """The value of a cookie; None if there is none."""
        cookie = self._cookies.get(name)
        return cookie.value if cookie else None

    def put(self, name: str, value: str) -> None:
        """Keep a cookie."""
        self._cookies[name] = value
