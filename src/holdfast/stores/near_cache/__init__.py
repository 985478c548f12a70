"""A near cache: hot sessions cost no round trip, and a revocation is felt within a bound.

It answers a `get` only while the node that the record was read from is heard, see
`holdfast.stores.feed`, and only one that spends no quota and does not ask to be fresh. Everything
else goes to the store. What this process writes is forgotten here at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import StoreUnavailable
from holdfast.protocols import Admitted
from holdfast.stores.near_cache.table import Bounds, Stats, Table

if TYPE_CHECKING:
    from holdfast.protocols import (
        AsyncStore,
        Cap,
        Reading,
        Refused,
        Replacing,
        Take,
    )
    from holdfast.record import Record
    from holdfast.stores.feed import Feed

__all__ = ["Bounds", "NearCache", "Stats", "Table"]


class NearCache:
    """An `AsyncStore` that asks `table` first; with `fresh` it never does, and still keeps it right.

    Both faces of a store, fresh or not, share one table and one feed. The verbs that it leaves
    alone are those of the store itself. `stale` allows readings that are too old for the table's
    bound, yet within that for an outage, while the store is away.
    """

    def __init__(
        self,
        store: AsyncStore,
        table: Table,
        feed: Feed,
        *,
        fresh: bool = False,
        stale: bool = False,
    ) -> None:
        self._store = store
        self._table = table
        self._feed = feed
        self._fresh = fresh
        self._stale = stale and not fresh
        self.salt = store.salt
        self.page = store.page
        self.purge = store.purge
        self.take = store.take

    def get_at_once(self, id: str, *, now: int, take: Take | None = None) -> Reading | None:  # noqa: ARG002 - known or not
        return self._table.find(id) if take is None and not self._fresh else None

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        if take is None and not self._fresh:
            known = self._table.find(id)
            if known is not None:
                return known
            self._table.missed()
        ticket = self._table.ticket(id, self._feed.channel(id))
        try:
            reading = await self._read(id, now, take)
        except BaseException:
            self._table.settle(id, ticket, None)
            raise
        self._table.settle(id, ticket, reading)
        return reading

    async def _read(self, id: str, now: int, take: Take | None) -> Reading:
        if not self._stale or take is not None:
            return await self._store.get(id, now=now, take=take)
        try:
            return await self._store.get(id, now=now)
        except StoreUnavailable:
            known = self._table.find_stale(id)
            if known is None:
                raise
            return known

    async def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        try:
            answer = await self._store.insert(record, now=now, cap=cap, replacing=replacing)
        finally:
            if replacing is not None:
                self._table.changed(replacing.id)
        for id in answer.evicted if isinstance(answer, Admitted) else ():
            self._table.changed(id)
        return answer

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        try:
            return await self._store.update(record, expected=expected, durable=durable)
        finally:
            self._table.changed(record.id)

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        done = await self._store.touch(id, seen_at=seen_at, expires_at=expires_at, address=address)
        if done:
            self._table.touched(id, seen_at, expires_at, address)
        else:
            self._table.changed(id)
        return done

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        try:
            return await self._store.delete(id, expected=expected, durable=durable)
        finally:
            self._table.changed(id)

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        try:
            gone = await self._store.delete_all(subject, keep=keep)
        except BaseException:  # which ones went is not known
            self._table.changed_of(subject)
            raise
        for id in gone:
            self._table.changed(id)
        return gone

    async def bump_epoch(self) -> int:
        try:
            return await self._store.bump_epoch()
        finally:
            self._table.changed_all()

    async def after_fork(self) -> None:
        self._table.clear()
        self._feed.after_fork()
        await self._store.after_fork()

    async def close(self) -> None:
        self._feed.close()
        await self._store.close()
