"""What express-session with connect-redis leaves in a browser and in Redis.

The cookie is `s:<id>.<signature>`, percent-encoded; the signature is HMAC-SHA256 in Base64 without
padding. The value is JSON, in which `cookie` belongs to express-session itself.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = "s:"
_SIGNED = re.compile(r"([!-~]{1,200})\.([A-Za-z0-9+/]{43})")
_LONGEST = 1024
_parse = msgspec.json.Decoder(dict[str, Any]).decode


def session_id(cookie: str, secrets: Sequence[bytes]) -> str | None:
    """The id in a cookie; None: it has another shape, or is signed by none of `secrets`."""
    if len(cookie) > _LONGEST:
        return None
    text = unquote(cookie)
    found = _SIGNED.fullmatch(text.removeprefix(_MARK)) if text.startswith(_MARK) else None
    if found is None:
        return None
    id, signature = found.groups()
    return id if any(_signed(id, signature, each) for each in secrets) else None


def _signed(id: str, signature: str, secret: bytes) -> bool:
    wanted = b64encode(hmac.digest(secret, id.encode(), "sha256")).rstrip(b"=")
    return hmac.compare_digest(wanted, signature.encode())


def decode(raw: bytes) -> dict[str, Any] | None:
    """The mapping in a value, without what belongs to express-session; None: it is none."""
    try:
        values = _parse(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    values.pop("cookie", None)
    return values
