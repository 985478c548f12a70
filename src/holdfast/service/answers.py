"""JSON answers, all in one form. What may not be cached is said by `headers`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from holdfast.chain import Reply

_WITHOUT_OFFSET = len("2026-01-01T00:00:00")


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


def moment(ms: int) -> str:
    """A time in RFC 3339, UTC, to the second."""
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:_WITHOUT_OFFSET] + "Z"
