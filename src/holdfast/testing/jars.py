"""The cookies of a test client, by name: Starlette's, Flask's, Django's, or httpx's `AsyncClient`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from holdfast.errors import UsageError
from holdfast.testing.django import DjangoJar, is_project

if TYPE_CHECKING:
    from starlette.testclient import TestClient


class Jar(Protocol):
    """The application that a client talks to, and its cookies there."""

    @property
    def app(self) -> Any:
        """The application."""
        ...

    def get(self, name: str) -> str | None:
        """The value of a cookie; None if there is none."""
        ...

    def put(self, name: str, value: str) -> None:
        """Keep a cookie as if the application had set it, in place of an older one."""
        ...


def jar_of(client: Any) -> Jar:
    """The jar of a test client.

    Raises:
        UsageError: it is none, or it does not say which application it talks to.
    """
    if is_project(getattr(client, "handler", None)):
        return DjangoJar(client)
    if hasattr(client, "application"):
        return FlaskJar(client)
    # httpx shows its transport to nobody; ASGITransport shows its application.
    app = getattr(client, "app", None) or getattr(getattr(client, "_transport", None), "app", None)
    if app is None or not hasattr(client, "cookies"):
        raise UsageError(
            f"this is no test client ({type(client).__name__}); for example client(app) of"
            " holdfast.testing, or httpx.AsyncClient(transport=ASGITransport(app=app), …)"
        )
    return StarletteJar(client, app)


class StarletteJar:
    """Of `starlette.testclient.TestClient`, and of `httpx.AsyncClient`, whose cookies are alike."""

    def __init__(self, client: TestClient, app: Any) -> None:
        self._client = client
        self.app = app

    def get(self, name: str) -> str | None:
        """The value of a cookie; None if there is none."""
        return self._client.cookies.get(name)

    def put(self, name: str, value: str) -> None:
        """Keep a cookie; the jar calls a host without a dot `.local` (RFC 2965)."""
        host = self._client.base_url.host
        domain = host if "." in host else f"{host}.local"
        self._client.cookies.set(name, value, domain=domain, path="/")


class FlaskJar:
    """Of `flask.testing.FlaskClient`."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.app = client.application
        self._host = (self.app.config.get("SERVER_NAME") or "localhost").partition(":")[0]

    def get(self, name: str) -> str | None:
        """The value of a cookie; None if there is none."""
        cookie = self._client.get_cookie(name, domain=self._host)
        return None if cookie is None else cookie.value

    def put(self, name: str, value: str) -> None:
        """Keep a cookie."""
        self._client.set_cookie(name, value, domain=self._host, secure=True, httponly=True)
