"""CSRF tokens: an HMAC over the session, masked anew for each answer (R74, P54, P55).

A token is worth nothing without the session that it is bound to, is never kept by the server, and
changes with the session's secret: at sign-in, at rotation, with the end of the session. The mask
makes every token look different, so that compressed answers leak none (BREACH). Before there is a
session, a signed cookie that stores nothing on the server takes its place.

A framework that masks by itself, and wants 32 letters and digits for that (Django), gets a `secret`
instead: bound and verified in the same way, and never shown unmasked.

Formats 1: the token is `c1` + base64url(pad, 32 bytes, then HMAC xor pad); the pre-session cookie
is `p1` + base64url(nonce, 16 bytes, expiry, 8 bytes big-endian Unix seconds, then HMAC); a secret is
the last 32 digits of an HMAC to the base 62.
"""

from __future__ import annotations

import hmac
import string
from hashlib import sha256
from typing import TYPE_CHECKING

from holdfast.errors import UsageError
from holdfast.rules import base64url

if TYPE_CHECKING:
    from collections.abc import Sequence

PAD = 32
NONCE = 16
_MAC = 32
_EXPIRY = 8
_TOKEN = "c1"
_TOKEN_LENGTH = len(_TOKEN) + 86
_PRESESSION = "p1"
_PRESESSION_LENGTH = len(_PRESESSION) + 75
_SECRET_LABEL = b"holdfast/1/csrf/secret\0"
_DIGITS = string.ascii_letters + string.digits
SECRET = 32


def _framed(part: bytes) -> bytes:
    """A part of what is hashed, that cannot be moved into its neighbour (P38)."""
    return len(part).to_bytes(4, "big") + part


_SESSION_LABEL = _framed(b"holdfast/1/csrf/session")
_PRESESSION_LABEL = _framed(b"holdfast/1/csrf/presession")


def session_binding(id: str, secret_hash: bytes) -> bytes:
    """What the tokens of a session are bound to: its id and the hash of its secret."""
    return sha256(_SESSION_LABEL + _framed(id.encode()) + _framed(secret_hash)).digest()


def presession_binding(nonce: bytes) -> bytes:
    """What tokens are bound to while there is no session: the nonce of the pre-session cookie."""
    return sha256(_PRESESSION_LABEL + _framed(nonce)).digest()


def token(key: bytes, binding: bytes, pad: bytes) -> str:
    """A token for a header or form field, masked with `pad`: 32 random bytes, new each time."""
    if len(pad) != PAD:
        raise UsageError(f"csrf: the pad has {PAD} bytes")
    return _TOKEN + base64url.encode(pad + _xor(_mac(key, binding), pad))


def secret(key: bytes, binding: bytes) -> str:
    """32 letters and digits (190 bits) for a framework that makes its own masked tokens of them."""
    number = int.from_bytes(hmac.digest(key, _SECRET_LABEL + binding, "sha256"), "big")
    text = ""
    for _ in range(SECRET):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


def verify(keys: Sequence[bytes], binding: bytes, text: str) -> bool:
    """Whether `text` is a token or secret of one of `keys` for exactly this binding. Never raises."""
    if len(text) == SECRET:
        given = text.encode("utf-8", "surrogatepass")
        return any(hmac.compare_digest(given, secret(key, binding).encode()) for key in keys)
    raw = _open(text, _TOKEN, _TOKEN_LENGTH)
    if raw is None:
        return False
    mac = _xor(raw[PAD:], raw[:PAD])
    for key in keys:  # noqa: SIM110 - a generator costs as much as the comparison
        if hmac.compare_digest(mac, _mac(key, binding)):
            return True
    return False


def presession(key: bytes, nonce: bytes, expires_at_s: int) -> str:
    """The value of the pre-session cookie; `nonce` is 16 random bytes, the time is Unix seconds."""
    if len(nonce) != NONCE:
        raise UsageError(f"csrf: the nonce has {NONCE} bytes")
    body = nonce + expires_at_s.to_bytes(_EXPIRY, "big")
    return _PRESESSION + base64url.encode(body + _sign(key, body))


def open_presession(keys: Sequence[bytes], text: str, now_s: int) -> bytes | None:
    """The nonce in a pre-session cookie; None if it is expired or not ours. Never raises."""
    raw = _open(text, _PRESESSION, _PRESESSION_LENGTH)
    if raw is None:
        return None
    body, mac = raw[:-_MAC], raw[-_MAC:]
    if not any(hmac.compare_digest(mac, _sign(key, body)) for key in keys):
        return None
    return body[:NONCE] if now_s < int.from_bytes(body[NONCE:], "big") else None


def _mac(key: bytes, binding: bytes) -> bytes:
    return hmac.digest(key, b"holdfast/1/csrf/token\0" + binding, "sha256")


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"holdfast/1/csrf/presession\0" + body, "sha256")


def _open(text: str, prefix: str, length: int) -> bytes | None:
    if len(text) != length or not text.startswith(prefix):
        return None
    return base64url.decode(text[len(prefix) :])


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(_MAC, "big")
