"""The facts of a request, from Django's `HttpRequest` of either kind."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest

from holdfast.chain import Request
from holdfast.rules.origin import SAFE_METHODS
from holdfast.web.asgi_request import headers_of
from holdfast.web.django import csrf
from holdfast.web.django.body import Body
from holdfast.web.wsgi_request import headers_of as headers_of_wsgi
from holdfast.web.wsgi_request import host_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from holdfast.chain import Chain
    from holdfast.web.asgi_types import Scope


def facts(request: HttpRequest, chain: Chain) -> Request:
    """What the chain is told of a request. Its CSRF token may come by Django's names as well."""
    if isinstance(request, ASGIRequest):
        return _of_asgi(request, chain)
    meta = request.META
    headers = headers_of_wsgi(meta, chain.headers)
    found = Request(
        method=meta["REQUEST_METHOD"],
        scheme=meta.get("wsgi.url_scheme", "http"),
        host=meta.get("HTTP_HOST") or host_of(meta),
        path=request.path,
        peer=meta.get("REMOTE_ADDR") or None,
        headers=headers,
    )
    if found.method not in SAFE_METHODS:
        _take_token(headers, chain.csrf.header, meta.get(settings.CSRF_HEADER_NAME))
        found.form_field = Body(request, csrf.FIELD).field  # for the others it would be a circle
    return found


def _take_token(headers: dict[str, str], ours: str, theirs: str | None) -> None:
    """The token comes in our header or in Django's, in either case possibly as Django masks it."""
    given = headers.get(ours, theirs)
    if given is not None:
        headers[ours] = csrf.unmasked(given)


def _of_asgi(request: ASGIRequest, chain: Chain) -> Request:
    theirs = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").lower()
    scope = cast("Scope", request.scope)
    headers = headers_of(scope, _wanted(chain.headers, theirs))
    client = scope.get("client")
    found = Request(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        host=headers.get("host", ""),
        path=scope["path"],
        peer=client[0] if client else None,
        headers=headers,
    )
    if found.method not in SAFE_METHODS:
        _take_token(headers, chain.csrf.header, headers.get(theirs))
        found.form_field = Body(request, csrf.FIELD).field
    return found


@lru_cache(maxsize=8)
def _wanted(names: frozenset[str], theirs: str) -> dict[bytes, str]:
    return {name.encode("ascii"): name for name in names | {theirs}}
