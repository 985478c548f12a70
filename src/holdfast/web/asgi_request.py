"""The facts of a request, from an ASGI scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain import Request
from holdfast.rules.origin import SAFE_METHODS
from holdfast.session import Session
from holdfast.web.asgi_body import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.chain import Visit
    from holdfast.web.asgi_types import Receive, Scope


def request_of(
    scope: Scope, receive: Receive, wanted: Mapping[bytes, str]
) -> tuple[Request, Receive]:
    """The facts of the request that this scope describes, and how the application gets its body.

    `wanted` maps the raw names of the headers that count to their names.
    """
    headers, client = headers_of(scope, wanted), scope.get("client")
    method = scope.get("method", "GET")
    request = Request(
        method,
        scope.get("scheme", "http"),
        headers.get("host", ""),
        scope["path"],
        client[0] if client else None,
        headers,
    )
    if method in SAFE_METHODS:
        request.websocket = scope["type"] == "websocket"
        return request, receive
    body = Body(receive, headers.get("content-type", ""))
    request.form_field = body.field
    return request, body.receive


def show(visit: Visit, scope: Scope) -> None:
    """Put the session where `request.session` of Starlette looks; not over that of another library.

    What another chain of ours has put there is none of this one's, not even on a path without sessions.
    """
    if "session" in scope:
        if not isinstance(scope["session"], Session):
            return
        del scope["session"]
    if not visit.excluded:
        scope["session"] = visit.session


def headers_of(scope: Scope, wanted: Mapping[bytes, str]) -> dict[str, str]:
    """The wanted headers as text. ASGI gives names in lower case; lines of one name are joined."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = wanted.get(raw)
        if name is None:
            continue
        text = value.decode("latin-1")
        if name in headers:
            text = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{text}"
        headers[name] = text
    return headers
