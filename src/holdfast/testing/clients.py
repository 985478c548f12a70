"""Test clients that are signed in, without a login page: for Flask, FastAPI, Starlette and Django alike.

Of a Django project, the application is that of its `wsgi.py` or `asgi.py`; of any other ASGI
framework it is `HoldfastMiddleware(…)` around it.

browser = client(app)
sign_in(browser, subject="ada", role="admin")
assert browser.post("/cart", json={"item": 3}, headers=csrf(browser)).status_code == 200
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from holdfast.chain import Request
from holdfast.protocols import ClientFacts
from holdfast.signed_in import SignedIn
from holdfast.testing import proving
from holdfast.testing.apps import chain_of, finish
from holdfast.testing.django import client as django_client
from holdfast.testing.django import is_project
from holdfast.testing.jars import jar_of

if TYPE_CHECKING:
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import AsyncClient, Client
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    from holdfast.chain import Chain
    from holdfast.testing.jars import Jar
    from holdfast.web.asgi import HoldfastMiddleware

C_co = TypeVar("C_co", covariant=True)

_AGENT = "holdfast.testing"


class _Flask(Protocol[C_co]):
    def test_client(self, use_cookies: bool = ..., **kwargs: Any) -> C_co: ...  # noqa: FBT001 - Flask's


class Clients(Protocol):
    """What makes test clients: `client`, and the fixture `holdfast_client`."""

    @overload
    def __call__(
        self, app: Starlette | HoldfastMiddleware, *, csrf: bool = ..., **options: Any
    ) -> TestClient: ...
    @overload
    def __call__(self, app: _Flask[C_co], *, csrf: bool = ..., **options: Any) -> C_co: ...
    @overload
    def __call__(self, app: WSGIHandler, *, csrf: bool = ..., **options: Any) -> Client: ...
    @overload
    def __call__(self, app: ASGIHandler, *, csrf: bool = ..., **options: Any) -> AsyncClient: ...
    def __call__(self, app: Any, *, csrf: bool = False, **options: Any) -> Any:
        """See `client`."""
        ...


@overload
def client(
    app: Starlette | HoldfastMiddleware, *, csrf: bool = ..., **options: Any
) -> TestClient: ...
@overload
def client(app: _Flask[C_co], *, csrf: bool = ..., **options: Any) -> C_co: ...
@overload
def client(app: WSGIHandler, *, csrf: bool = ..., **options: Any) -> Client: ...
@overload
def client(app: ASGIHandler, *, csrf: bool = ..., **options: Any) -> AsyncClient: ...
def client(app: Any, *, csrf: bool = False, **options: Any) -> Any:
    """The framework's own test client, speaking HTTPS, as `Secure` cookies need it.

    With `csrf` each unsafe request brings a CSRF token, as the scripts of your pages do; not beside an
    `Authorization`. `options` are those of Starlette's `TestClient`, of Flask's `app.test_client` or
    of Django's `Client`, which checks CSRF tokens here unless `enforce_csrf_checks=False` is given.
    """
    if is_project(app):
        project = django_client(app, **options)
        return proving.djangos(project, _header) if csrf else project
    if hasattr(app, "test_client"):
        browser = _over_https(app, app.test_client(**options))
        return proving.flasks(browser, _header) if csrf else browser
    from starlette.testclient import TestClient

    options.setdefault("base_url", "https://testserver")
    visitor = _sockets_too(TestClient(app, **options))
    return proving.starlettes(visitor, _header) if csrf else visitor


def sign_in(client: Any, *, subject: str | int, **claims: Any) -> SignedIn:
    """Give the client a new session of this subject; the session, to be looked at.

    `claims` (role, email …) and options are those of `Session.sign_in`. An earlier session of the
    client is not ended, only forgotten.
    """
    jar = jar_of(client)
    engine = chain_of(jar.app).sessions
    session = SignedIn(client=ClientFacts(user_agent=_AGENT))
    finish(engine.sign_in(session, subject, **claims))
    jar.put(engine.settings.cookie.name, session.cookie or "")
    return session


def csrf(client: Any) -> dict[str, str]:
    """The headers with which the client's next unsafe request passes the CSRF check.

    As after a page with a form: a client without a session gets a pre-session cookie.
    """
    return _header(client)


def _header(client: Any) -> dict[str, str]:
    jar = jar_of(client)
    chain = chain_of(jar.app)
    return {chain.sessions.settings.csrf_header: _token(chain, jar)}


def csrf_form(client: Any) -> dict[str, str]:
    """As `csrf`, for a form: the hidden field, to be sent with the other fields."""
    jar = jar_of(client)
    chain = chain_of(jar.app)
    return {chain.sessions.settings.csrf_field: _token(chain, jar)}


def _token(chain: Chain, jar: Jar) -> str:
    visit = finish(chain.begin(_look(chain, jar)))
    token = chain.csrf.token(visit)
    for name, value in finish(chain.commit(visit, 200)).headers:
        if name == "Set-Cookie":
            jar.put(*value.partition(";")[0].split("=", 1))
    return token


def _look(chain: Chain, jar: Jar) -> Request:
    names = chain.sessions.settings.cookie.name, chain.csrf.cookie_name
    cookies = "; ".join(f"{name}={value}" for name in names if (value := jar.get(name)))
    return Request(
        method="GET",
        scheme="https",
        host="testserver",
        path="/holdfast-testing",
        peer=None,
        headers={"cookie": cookies, "user-agent": _AGENT},
        form_field=_no_field,
    )


async def _no_field(_name: str) -> None: ...


def _sockets_too(browser: TestClient) -> TestClient:
    """Starlette opens each socket at ws://testserver, where no `Secure` cookie goes."""
    connect = browser.websocket_connect

    def over_wss(url: str, *args: Any, **options: Any) -> Any:
        whole = browser.base_url.join(url)
        scheme = {"https": "wss", "http": "ws"}.get(whole.scheme, whole.scheme)
        return connect(str(whole.copy_with(scheme=scheme)), *args, **options)

    browser.websocket_connect = over_wss  # type: ignore[method-assign]
    return browser


def _over_https(app: Any, browser: Any) -> Any:
    """Flask takes the scheme of a test from a setting that production uses too."""
    plain = browser.open
    host = app.config.get("SERVER_NAME") or "localhost"
    base_url = f"https://{host}{app.config['APPLICATION_ROOT']}"

    def over_https(*args: Any, **options: Any) -> Any:
        if args and isinstance(args[0], str) and args[0].startswith("/"):
            options.setdefault("base_url", base_url)
        return plain(*args, **options)

    browser.open = over_https
    return browser
