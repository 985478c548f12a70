"""A test client whose unsafe requests bring the CSRF token by themselves, as pages' scripts do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    Token = Callable[[Any], dict[str, str]]

_SAFE = {"GET", "HEAD", "OPTIONS"}


def starlettes(browser: TestClient, token: Token) -> TestClient:
    """Every request of Starlette's client goes through `request`."""
    plain: Any = browser.request

    def proving(method: str, *args: Any, **options: Any) -> Any:
        options["headers"] = _proved(browser, method, options.get("headers"), token)
        return plain(method, *args, **options)

    browser.request = proving  # type: ignore[method-assign]
    return browser


def flasks(browser: Any, token: Token) -> Any:
    """Every request of Flask's client goes through `open`."""
    plain = browser.open

    def proving(*args: Any, **options: Any) -> Any:
        if args and isinstance(args[0], str):
            method = options.get("method") or "GET"
            options["headers"] = _proved(browser, method, options.get("headers"), token)
        return plain(*args, **options)

    browser.open = proving
    return browser


def djangos(browser: Any, token: Token) -> Any:
    """Every request of Django's clients goes through `generic`."""
    plain = browser.generic

    def proving(method: str, *args: Any, **options: Any) -> Any:
        if "HTTP_AUTHORIZATION" not in options:
            proved = _proved(browser, method, options.get("headers"), token)
            options["headers"] = None if proved is None else dict(proved)
        return plain(method, *args, **options)

    browser.generic = proving
    return browser


def _proved(browser: Any, method: str, given: Any, token: Token) -> Any:
    """The headers of a request, with the token where it is due and the test says nothing else.

    With a bearer token none is due, and making one would give the client a cookie.
    """
    if method.upper() in _SAFE:
        return given
    headers = [*(given.items() if hasattr(given, "items") else given or ())]
    always: Any = getattr(browser, "headers", None) or {}
    names = {name.lower() for name, _ in (*headers, *always.items())}
    if "authorization" in names:
        return headers
    made = [(name, value) for name, value in token(browser).items() if name.lower() not in names]
    return [*headers, *made]
