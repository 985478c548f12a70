"""Believes a node only while its replicas still follow it.

A primary that was cut off from its replicas does not know that another has taken its place, and
would answer for sessions that were ended there. With the fence a probe is a write that the
replicas have acknowledged; a reading counts only if such a probe was sent less than a bound ago.
The bound must be shorter than the time after which a replica is promoted.

While a slot is moved, two nodes have a part in a reading, and both must be followed: the one that sends
us on may be the one that was cut off, and what it sends us to may be a copy of what was ended elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
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

    `wait` passes a moment while lines are still being opened; at most the feed's bound at a time.
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
        await self._opened(partial(self._heard, id))
        reading = await self._store.get(id, now=now, take=take)
        if reading.nodes:
            await self._opened(lambda: all(self._all_heard()))
        if not self._believes(id, reading):
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

    async def _opened(self, heard: Callable[[], object]) -> None:
        """Wait for lines that are about to be heard, as in the first moments of a process."""
        patience = self._feed.clock() + self._feed.bound
        while not heard() and self._feed.clock() < patience:
            await self._wait()

    def _believes(self, id: str, reading: Reading) -> bool:
        """Whether all nodes of this reading are followed, and one of them is the one that serves the id."""
        channel = self._heard(id)
        if channel is None:
            return False
        if not reading.nodes:
            return channel.node == reading.node
        followed = {each.node for each in self._all_heard() if each}
        return channel.node in reading.nodes and followed.issuperset(reading.nodes)

    def _all_heard(self) -> list[Channel | None]:
        """The channel of every line, or None where it is not heard."""
        feed = self._feed
        return [self._young(feed.channel_of(name)) for name in feed.remote.lines()]

    def _heard(self, id: str) -> Channel | None:
        return self._young(self._feed.channel(id))

    def _young(self, channel: Channel | None) -> Channel | None:
        if channel is None or channel.heard_at <= self._feed.clock() - self._feed.bound:
            return None
        return channel


def _not_followed() -> StoreUnavailable:
    return StoreUnavailable("the node's replicas do not follow it, or it is another one by now")
