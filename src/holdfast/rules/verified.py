"""Tokens that were verified a moment ago: a bounded cache that makes the warm path cheap.

It spares the signature and the claims, never the question whether the session still lives. An entry
ends with its token. A cache belongs to one key ring and one set of settings: who changes those
makes a new cache. Tokens are kept as hashes; forged ones are not kept at all. What a token says is
kept as bytes, so that everybody who asks gets claims of their own, to change as they like.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    Entry = tuple[str, int, bytes]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class VerifiedCache:
    """Claims by token, for about the `capacity` tokens that were used last.

    Two halves take turns: when the young one is full it becomes the old one, and the old one goes.
    No step walks over entries, so nothing here needs a lock.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, capacity: int) -> None:
        self._half = max(capacity // 2, 1)
        self._young: dict[bytes, Entry] = {}
        self._old: dict[bytes, Entry] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, kind: str, text: str, now_s: int) -> dict[str, Any] | None:
        """The claims of a token of this kind that was put here and has not expired; else None."""
        digest = _digest(text)
        entry = self._young.get(digest)
        if entry is None:
            entry = self._old.get(digest)
            if entry is None:
                return None
            self._keep(digest, entry)
        known_as, end, claims = entry
        return _decode(claims) if now_s < end and known_as == kind else None

    def put(self, kind: str, text: str, claims: Mapping[str, Any]) -> None:
        """Remember what a token says; `claims` must come from `jose.verify` for this very text."""
        if claims["type"] == kind:
            self._keep(_digest(text), (kind, claims["exp"], _encode(dict(claims))))

    def _keep(self, digest: bytes, entry: Entry) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[digest] = entry


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
