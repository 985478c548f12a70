"""What Flask-Session leaves in a browser and in Redis: the cookie's id, the value's mapping.

Version 0.8 writes MessagePack or JSON, and reads pickles of older versions. Here nothing is unpickled
(P39): such a value is nobody's session.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID = re.compile(r"[A-Za-z0-9_-]{16,128}")
_SALT = b"flask-session"
_unpack = msgspec.msgpack.Decoder(dict[str, Any]).decode
_parse = msgspec.json.Decoder(dict[str, Any]).decode


def session_id(cookie: str, secrets: Sequence[bytes]) -> str | None:
    """The id in a cookie; None: it has another shape, or is signed by none of `secrets`.

    Without `SESSION_USE_SIGNER` the cookie is the id, and there are no secrets.
    """
    if not cookie.isascii():
        return None
    id, dot, signature = cookie.rpartition(".") if secrets else (cookie, "", "")
    if _ID.fullmatch(id) is None or bool(dot) != bool(secrets):
        return None
    if secrets and not any(_signed(id, signature, each) for each in secrets):
        return None
    return id


def _signed(id: str, signature: str, secret: bytes) -> bool:
    """As itsdangerous signs: SHA-1, and a key of its own for this salt."""
    key = hmac.digest(secret, _SALT, "sha1")
    wanted = urlsafe_b64encode(hmac.digest(key, id.encode(), "sha1")).rstrip(b"=")
    return hmac.compare_digest(wanted, signature.encode())


def decode(raw: bytes) -> dict[str, Any] | None:
    """The mapping in a value; None: it is neither MessagePack nor JSON."""
    for read in (_unpack, _parse):
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return read(raw)
    return None
