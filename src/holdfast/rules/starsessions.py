"""What starsessions leaves in a browser and in Redis: the cookie is the id, the value is JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID = re.compile(r"[A-Za-z0-9_-]{16,128}")
_OWN = "__metadata__"
_parse = msgspec.json.Decoder(dict[str, Any]).decode


def session_id(cookie: str, _secrets: Sequence[bytes] = ()) -> str | None:
    """The id in a cookie, which is signed by nobody; None: it has another shape."""
    return cookie if _ID.fullmatch(cookie) else None


def decode(raw: bytes) -> dict[str, Any] | None:
    """The mapping in a value, without what belongs to starsessions; None: it is none."""
    try:
        values = _parse(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    values.pop(_OWN, None)
    return values
