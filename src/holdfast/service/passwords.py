"""Password hashes: argon2id, with parameters that can be raised at any time.

The parameters are the first of OWASP's equal choices (Password Storage Cheat Sheet): most memory,
one pass. A stored hash of other parameters is replaced at its owner's next sign-in.
"""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB = 46 * 1024
PASSES = 1
LANES = 1
MAX_BYTES = 1024


def prepared(password: str) -> str | None:
    """The password in Unicode's composed form (NFC); None if it cannot be one."""
    if len(password) > MAX_BYTES:
        return None
    composed = unicodedata.normalize("NFC", password)
    try:
        fits = 0 < len(composed.encode()) <= MAX_BYTES
    except UnicodeEncodeError:
        return None
    return composed if fits else None


class Hasher:
    """Makes and checks hashes. All methods take tens of milliseconds and belong in a thread."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._argon2 = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES)

    def hash(self, password: str) -> str:
        """A new hash, with a salt of its own."""
        return self._argon2.hash(password)

    def matches(self, hash: str, password: str) -> bool:
        """Whether the password is the one that was hashed; False also for a damaged hash."""
        try:
            return self._argon2.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(hash)
