"""The cookie of a browser that has signed in before, so that no attacker can lock its owner out.

After many failures an account takes passwords only from such browsers (R148, R149; OWASP "Slow Down
Online Guessing Attacks with Device Cookies"). The cookie signs nobody in: it only lets its browser
try, and it has a count of failures of its own.

Format 1: `d1` + base64url(nonce, 16 bytes, expiry, 8 bytes big-endian Unix seconds, HMAC-SHA256).
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

from holdfast.rules import base64url, cookies
from holdfast.settings import ms

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.protocols import Clock, Entropy
    from holdfast.rules.keys import KeyRing
    from holdfast.settings import Cookie

_LABEL = b"holdfast/1/device\0"
_PREFIX = "d1"
_NONCE, _EXPIRY, _MAC = 16, 8, 32
_LENGTH = len(_PREFIX) + 75


class KnownDevices:
    """Makes and reads the cookie; `Secure` and `SameSite` are those of `like`, the session's."""

    def __init__(
        self, keys: KeyRing, like: Cookie, lifetime: timedelta, *, clock: Clock, entropy: Entropy
    ) -> None:
        self._keys = keys.derive("device")
        self._like = like
        self._lifetime_s = ms(lifetime) // 1000
        self._clock = clock
        self._entropy = entropy
        self.cookie_name = "__Host-device" if like.secure else "device"

    def cookie(self, email: str) -> str:
        """The `Set-Cookie` for a browser that has just signed in under this name."""
        expires = self._clock() // 1000 + self._lifetime_s
        body = self._entropy(_NONCE) + expires.to_bytes(_EXPIRY, "big")
        value = _PREFIX + base64url.encode(body + _sign(self._keys[0], body, email))
        return cookies.set_cookie(
            self.cookie_name,
            value,
            max_age=self._lifetime_s,
            secure=self._like.secure,
            same_site=self._like.same_site,
        )

    def read(self, header: str, email: str) -> bytes | None:
        """The browser's own number, if it has signed in under this name before. Never raises."""
        sent = cookies.read(header, self.cookie_name)
        if len(sent) != 1 or len(sent[0]) != _LENGTH or not sent[0].startswith(_PREFIX):
            return None
        raw = base64url.decode(sent[0][len(_PREFIX) :])
        if raw is None:
            return None
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if not any(hmac.compare_digest(mac, _sign(key, body, email)) for key in self._keys):
            return None
        alive = self._clock() // 1000 < int.from_bytes(body[_NONCE:], "big")
        return body[:_NONCE] if alive else None


def _sign(key: bytes, body: bytes, email: str) -> bytes:
    # The parts have fixed lengths, so none can be moved into its neighbour (P38).
    return hmac.digest(key, _LABEL + body + sha256(email.encode()).digest(), "sha256")
