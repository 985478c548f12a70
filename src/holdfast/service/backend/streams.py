"""How many streams of changes are open in this process, by service key."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.chain import Refusal, error_reply

if TYPE_CHECKING:
    from collections.abc import Generator

MOST = 64
"""Streams of one key in one process."""


class Streams:
    """Counts them. `clock` is the name of the clock that their proofs are of."""

    def __init__(self) -> None:
        self.clock = _clock()
        self._open: Counter[str] = Counter()

    def require_room(self, name: str) -> None:
        """See that there is room for one more.

        Raises:
            Refusal: 429, this key has as many as it may.
        """
        if self._open[name] >= MOST:
            retry = ("Retry-After", "5")
            raise Refusal(error_reply(429, "too_many_streams", "Too many streams are open", retry))

    @contextmanager
    def open(self, name: str) -> Generator[None]:
        """One more, while this lasts."""
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1


def _clock() -> str:
    """The clock of this machine since it started; of this process where machines have no names."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = str(Path("/proc/self/ns/time").readlink())
    except OSError:
        return os.urandom(8).hex()
    return sha256(f"{boot} {space}".encode()).hexdigest()[:16]
