"""A reply of the chain on Django's response, or in its place."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse

from holdfast.chain import Reply, merged
from holdfast.chain.reply import PRIVATE

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from holdfast.chain.reply import Headers


_PRIVATE = {name.lower(): (name, value) for name, value in PRIVATE}
"""`PRIVATE` as Django's own headers keep it."""


class Verbatim(Morsel[str]):
    """A cookie whose text is the chain's, in a place where Django looks for cookies."""

    def __init__(self, text: str) -> None:
        super().__init__()
        (parsed,) = SimpleCookie(text).values()
        self.update(parsed)
        self.set(parsed.key, parsed.value, parsed.coded_value)
        self._text = text

    def OutputString(self, attrs: Any = None) -> str:  # noqa: ARG002, N802 - the standard library's
        """The text of the `Set-Cookie` header."""
        return self._text


def answer(request: HttpRequest, reply: Reply) -> HttpResponse:
    """An answer of the chain's own."""
    body = b"" if request.method == "HEAD" else reply.body
    response = HttpResponse(body, status=reply.status)
    add(response, (*reply.headers, ("Content-Length", str(len(reply.body)))))
    return response


def replaced(response: HttpResponseBase, replacement: HttpResponse) -> HttpResponse:
    """What goes out in place of the view's response, and closes with it what that held."""
    vars(replacement)["_resource_closers"] += vars(response)["_resource_closers"]
    return replacement


def applied(request: HttpRequest, response: HttpResponseBase, reply: Reply) -> HttpResponseBase:
    """The view's response with the chain's headers."""
    if reply.headers:
        known = response.headers._store  # noqa: SLF001 - as Django itself: to ask each name costs 10 us
        if reply.headers is PRIVATE and known.keys().isdisjoint(_PRIVATE):
            known.update(_PRIVATE)
        else:
            add(response, reply.headers)
        # Django's own cache looks for `private` where the chain says `no-store`.
        vars(request)["_cache_update_cache"] = False
    return response


def add(response: HttpResponseBase, headers: Headers) -> None:
    """Put the chain's headers beside those of the response."""
    for name, value in headers:
        if name == "Set-Cookie":
            cookie = Verbatim(value)
            response.cookies[cookie.key] = cookie
    rest = tuple(pair for pair in headers if pair[0] != "Set-Cookie")
    for name, value in merged(list(response.items()), rest):
        response.headers[name] = value
