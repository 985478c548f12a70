"""The facts of a request, from Django's `HttpRequest` of either kind."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest

from holdfast.chain import Request
from holdfast.web.asgi_request import headers_of
from holdfast.web.django import csrf
from holdfast.web.django.body import Body
from holdfast.web.wsgi_request import Headers, host_of, key_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from holdfast.chain import Chain
    from holdfast.chain.request import FormField
    from holdfast.web.asgi_answer import Scope


def facts(request: HttpRequest, chain: Chain) -> Request:
    """What the chain is told of a request. Its CSRF token may come by Django's names as well."""
    if isinstance(request, ASGIRequest):
        return _of_asgi(request, chain, Body(request, csrf.FIELD).field)
    meta = request.META
    found = Request(
        method=meta["REQUEST_METHOD"],
        scheme=meta.get("wsgi.url_scheme", "http"),
        host=host_of(meta),
        path=request.path,
        peer=meta.get("REMOTE_ADDR") or None,
        headers={name: meta[key] for name, key in _keys(chain.headers) if key in meta},
    )
    if found.unsafe:
        found.headers = _WsgiHeaders(request, chain.csrf.header)
        found.form_field = Body(request, csrf.FIELD).field
    return found


@lru_cache(maxsize=8)
def _keys(names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Each name with its key in `META`."""
    return tuple((name, key_of(name)) for name in names)


def _of_asgi(request: ASGIRequest, chain: Chain, form_field: FormField) -> Request:
    theirs = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").lower()
    scope = cast("Scope", request.scope)
    headers = headers_of(scope, _wanted(chain.headers | {theirs}))
    given = headers.get(chain.csrf.header, headers.get(theirs))
    if given is not None:
        headers[chain.csrf.header] = csrf.unmasked(given)
    client = scope.get("client")
    return Request(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        host=headers.get("host", ""),
        path=scope["path"],
        peer=client[0] if client else None,
        headers=headers,
        form_field=form_field,
    )


@lru_cache(maxsize=8)
def _wanted(names: frozenset[str]) -> dict[bytes, str]:
    return {name.encode("ascii"): name for name in names}


class _WsgiHeaders(Headers):
    """The headers in `META`, where Django's CSRF header stands for ours."""

    __slots__ = ("_csrf",)

    def __init__(self, request: HttpRequest, csrf_header: str) -> None:
        super().__init__(request.META)
        self._csrf = csrf_header

    def __getitem__(self, name: str) -> str:
        if name != self._csrf:
            return super().__getitem__(name)
        meta = self._environ
        ours = "HTTP_" + name.upper().replace("-", "_")
        return csrf.unmasked(meta[ours] if ours in meta else meta[settings.CSRF_HEADER_NAME])
