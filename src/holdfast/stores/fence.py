"""Believes a node only while its replicas still follow it.

A primary that was cut off from its replicas does not know that another has taken its place, and
would answer for sessions that were ended there. With the fence a probe is a write that the
replicas have acknowledged; a reading counts only if such a probe was sent less than a bound ago.
The bound must be shorter than the time after which a replica is promoted.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from holdfast.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.protocols import (
        AsyncStore,
        Page,
        Reading,
        Take,
    )
    from holdfast.stores.feed import Channel, Feed

_LOOK_AGAIN = 0.01


async def wait_in_loop() -> None:
    """A moment, for coroutines."""
    await asyncio.sleep(_LOOK_AGAIN)


async def wait_in_thread() -> None:
    """A moment, for threads; it never suspends."""
    time.sleep(_LOOK_AGAIN)  # noqa: ASYNC251 - the shape of a coroutine, in a thread of its own


class Fence:
    """An `AsyncStore` whose readings were checked after they came.

    `wait` passes a moment while a line is still being opened; at most the feed's bound in all.
    """

    def __init__(self, store: AsyncStore, feed: Feed, wait: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._feed = feed
        self._wait = wait
        self.salt = store.salt
        self.insert = store.insert
        self.update = store.update
        self.touch = store.touch
        self.delete = store.delete
        self.delete_all = store.delete_all
        self.purge = store.purge
        self.bump_epoch = store.bump_epoch
        self.take = store.take

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        await self._opened(id)
        reading = await self._store.get(id, now=now, take=take)
        channel = self._heard(id)
        if channel is None or channel.node != reading.node:
            raise _not_followed()
        return reading

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        page = await self._store.page(subject, after=after, limit=limit)
        if not all(self._heard(record.id) for record in page.records):
            raise _not_followed()
        return page

    async def after_fork(self) -> None:
        self._feed.after_fork()
        await self._store.after_fork()

    async def close(self) -> None:
        self._feed.close()
        await self._store.close()

    async def _opened(self, id: str) -> None:
        """Wait for a line that is about to be heard, as in the first moments of a process."""
        patience = self._feed.clock() + self._feed.bound
        while self._heard(id) is None and self._feed.clock() < patience:
            await self._wait()

    def _heard(self, id: str) -> Channel | None:
        channel = self._feed.channel(id)
        if channel is None or channel.heard_at <= self._feed.clock() - self._feed.bound:
            return None
        return channel


def _not_followed() -> StoreUnavailable:
    return StoreUnavailable("the node's replicas do not follow it, or it is another one by now")
