"""Request bodies: what a JSON route accepts, bounded before anything is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from holdfast.chain import Refusal, error_reply

if TYPE_CHECKING:
    from starlette.requests import Request

JSON = "application/json"
_MOST_DIGITS = 18


async def json_object(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object of the body.

    Raises:
        Refusal: 415 for another content type, 413 above `limit` bytes, 400 for no JSON object.
    """
    if media_type(request) != JSON:
        raise _refused(415, "unsupported_media_type", f"Content-Type must be {JSON}")
    raw = await bounded(request, limit)
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refused(400, "invalid_json", "The body is no valid JSON") from None
    if not isinstance(value, dict):
        raise _refused(400, "not_an_object", "The body must be a JSON object")
    return cast("dict[str, Any]", value)


async def bounded(request: Request, limit: int) -> bytes:
    """The body.

    Raises:
        Refusal: 413, it is or will be larger than `limit` bytes; the rest is not read.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > _MOST_DIGITS or int(announced) > limit):
        raise _too_large(limit)
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit:
            raise _too_large(limit)
    return bytes(raw)


async def no_other_body(request: Request, limit: int) -> None:
    """For routes that need no body: an empty one, or any JSON.

    Raises:
        Refusal: 415, 413.
    """
    if await bounded(request, limit) and media_type(request) != JSON:
        raise _refused(415, "unsupported_media_type", f"Content-Type must be {JSON}")


def text_of(body: dict[str, Any], name: str) -> str:
    """A text field; empty if it is missing or no text."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def media_type(request: Request) -> str:
    """The body's content type in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(limit: int) -> Refusal:
    return _refused(413, "body_too_large", f"The body may have at most {limit} bytes")


def _refused(status: int, code: str, message: str) -> Refusal:
    return Refusal(error_reply(status, code, message))
