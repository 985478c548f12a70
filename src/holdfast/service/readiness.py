"""Whether the store answers and takes writes: a full disk still reads, and is not ready.

A look-up is made each time. A small write proves the rest, at most every `PROVED_FOR_MS`, and after
a failure at most every `AGAIN_AFTER_MS`, since anybody may ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import probe
from holdfast.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from holdfast.protocols import AsyncStore, Clock

PROVED_FOR_MS = 5_000
AGAIN_AFTER_MS = 1_000


class Readiness:
    """Proves it for one process."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._due = 0
        self._failed = True  # until a write has shown otherwise

    async def prove(self) -> None:
        """Return if the store can be used.

        Raises:
            StoreError: it does not answer, or takes no writes.
        """
        now = self._clock()
        await probe.read(self._store, now)
        if not 0 < self._due - now <= PROVED_FOR_MS:  # also after the clock was set back
            self._due = now + AGAIN_AFTER_MS
            await self._write(now)
        elif self._failed:
            raise StoreUnavailable("the store took no write a moment ago")

    async def _write(self, now: int) -> None:
        try:
            await probe.write(self._store, now)
        except StoreError:
            self._failed = True
            raise
        self._failed = False
        self._due = now + PROVED_FOR_MS
