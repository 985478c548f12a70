"""Finding out whether a store answers, by what leaves every session alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.protocols import AsyncStore

_NO_SESSION = "aa1" + "A" * 22
_KEY = "probe"
_PLENTY, _MINUTE = 1_000_000, 60_000


async def read(store: AsyncStore, now: int) -> None:
    """A real look-up, which finds nothing: the id is of the right shape, and nobody's.

    Raises:
        StoreError: the store does not answer.
    """
    await store.get(_NO_SESSION, now=now)


async def write(store: AsyncStore, now: int) -> None:
    """A small write, which a full disk refuses: one is spent of a quota that nobody exceeds.

    Raises:
        StoreError: the store does not answer, or takes no writes.
    """
    await store.take(_KEY, limit=_PLENTY, period=_MINUTE, now=now)
