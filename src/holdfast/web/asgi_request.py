"""The facts of a request, from an ASGI scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.web.asgi_answer import Scope
    from holdfast.web.asgi_body import Body


def headers_of(scope: Scope, wanted: Mapping[bytes, str]) -> dict[str, str]:
    """The wanted headers as text; `wanted` maps their raw names, lines of one name are joined."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = wanted.get(raw.lower())
        if name is not None:
            text = value.decode("latin-1")
            joint = "; " if name == "cookie" else ", "
            headers[name] = f"{headers[name]}{joint}{text}" if name in headers else text
    return headers


def request_of(scope: Scope, headers: dict[str, str], body: Body) -> Request:
    """The facts of the request that this scope describes."""
    client = scope.get("client")
    return Request(
        method=scope.get("method", "GET"),
        scheme=scope.get("scheme", "http"),
        host=headers.get("host", ""),
        path=scope["path"],
        peer=client[0] if client else None,
        headers=headers,
        form_field=body.field,
        websocket=scope["type"] == "websocket",
    )
