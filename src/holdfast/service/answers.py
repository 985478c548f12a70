"""JSON answers, all in one form. What may not be cached is said by `headers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from holdfast.chain import Reply


def json_answer(value: Any, status: int = 200, **headers: str) -> Response:
    """An answer with this JSON; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(
        msgspec.json.encode(value),
        status,
        {"Content-Type": "application/json; charset=utf-8", **named},
    )


def reply_answer(reply: Reply) -> Response:
    """A reply of the chain as the framework's answer."""
    answer = Response(reply.body, reply.status or 200)
    for name, value in reply.headers:
        answer.headers.append(name, value)
    return answer
