"""Two stores as one while sessions move from the old to the new: it reads the new, then the old.

A session that is found in the old store is moved: a mark is inserted in the new one, the old one is
read again after that, the mark becomes the record by compare-and-set, and then the old record goes. A
mark is no session for anybody. What ends a session removes it from the old store first, then from the
new, with any mark. So whoever moves a session that is ended meanwhile either finds its mark gone, or
reads the old store after the end and finds nothing there: a log-out is never undone (P1).

Every process must work through this store before sessions are moved. What stands around a store behind
a network stands around each of the two, inside this one: what one process ends, another refuses as ever.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from holdfast.errors import NotDurable, RecordReadOnly, StoreUnavailable
from holdfast.protocols import Admitted, Page, Reading
from holdfast.record import Policy, Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.protocols import AsyncStore, Cap, Refused, Replacing, Take, Taken

T = TypeVar("T")

_ATTEMPTS = 16
_MOVING = "holdfast/moving"


class AsyncMovingStore:
    """A store for coroutines over the new and the old one; see the module.

    `new` may answer a reading from a near cache, which knows no marks; `fresh` is the same store
    without one, by which moves are made.
    """

    def __init__(self, new: AsyncStore, old: AsyncStore, fresh: AsyncStore | None = None) -> None:
        self._new = new
        self._old = old
        self._fresh = new if fresh is None else fresh

    async def salt(self) -> bytes:
        return await self._new.salt()

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        reading = await self._new.get(id, now=now, take=take)
        if reading.corrupt or (reading.record and not _is_mark(reading.record)):
            return reading
        if await self.move(id, now=now) is None:
            return Reading(None, corrupt=(await self._old.get(id, now=now)).corrupt)
        return await self._new.get(id, now=now, take=take)

    async def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        if replacing is not None:
            await self.move(replacing.id, now=now)
        if cap is not None and record.subject is not None:
            await self._move_all(record.subject)
        answer = await self._new.insert(record, now=now, cap=cap, replacing=replacing)
        if isinstance(answer, Admitted):
            for id in (*answer.evicted, *([replacing.id] if replacing else ())):
                await self._old.delete(id, durable=False)
                await self._new.delete(id, durable=False)
        return answer

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        if await self._new.update(record, expected=expected, durable=durable):
            return True
        if await self.move(record.id, now=record.seen_at) is None:
            return False
        return await self._new.update(record, expected=expected, durable=durable)

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        if await self.move(id, now=seen_at) is None:
            return False
        return await self._new.touch(id, seen_at=seen_at, expires_at=expires_at, address=address)

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        if expected is not None:
            record = await self.move(id, now=0)
            if record is not None and record.version != expected:
                return False
        was, unproved = await _ended(self._old.delete(id, durable=durable), lambda _: True)
        done = await self._new.delete(id, expected=expected, durable=durable)
        if unproved is not None:
            raise unproved
        return done or (was and expected is None)

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        if subject is not None:
            await self._move_all(subject)
            return await self._new.page(subject, after=after, limit=limit)
        new = await self._new.page(after=after, limit=limit)
        old = await self._old.page(after=after, limit=limit)
        ends = [page.after for page in (new, old) if page.after is not None]
        found = {record.id: record for record in (*old.records, *new.records)}
        ids = sorted(id for id in found if not ends or id <= min(ends))
        shown = [found[id] for id in ids[: max(limit, 1)]]
        last = ids[max(limit, 1) - 1] if len(ids) > max(limit, 1) else (min(ends) if ends else None)
        return Page(tuple(record for record in shown if not _is_mark(record)), last)

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        old, unproved = await _ended(self._old.delete_all(subject, keep=keep), _named)
        new, also = await _ended(self._new.delete_all(subject, keep=keep), _named)
        unproved = unproved or also
        for id in old:  # what a move that began before the end has left, or is about to finish
            clearing = self._new.delete(id, durable=unproved is None)
            unproved = (await _ended(clearing, lambda _: True))[1] or unproved
        gone = tuple(dict.fromkeys((*new, *old)))
        if unproved is not None:
            raise NotDurable(str(unproved), gone)
        return gone

    async def purge(self, *, now: int, limit: int = 1000) -> int:
        went = await self._new.purge(now=now, limit=limit)
        return went + (await self._old.purge(now=now, limit=limit - went) if went < limit else 0)

    async def bump_epoch(self) -> int:
        _, unproved = await _ended(self._old.bump_epoch(), lambda _: 0)
        epoch = await self._new.bump_epoch()
        if unproved is not None:
            raise unproved
        return epoch

    async def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        return await self._new.take(key, limit=limit, period=period, now=now)

    async def after_fork(self) -> None:
        await self._old.after_fork()
        await self._new.after_fork()

    async def close(self) -> None:
        await self._old.close()
        await self._new.close()

    async def move(self, id: str, *, now: int) -> Record | None:
        """The record as the new store has it, moved if it was in the old one; None: there is none.

        Raises:
            StoreUnavailable: others kept working on it.
        """
        for _ in range(_ATTEMPTS):
            there = (await self._fresh.get(id, now=now)).record
            if there is not None and not _is_mark(there):
                return there
            found = (await self._old.get(id, now=now)).record
            if found is None:
                again = (await self._fresh.get(id, now=now)).record
                if again is None:
                    return None
                if not _is_mark(again):
                    return again
                await self._new.delete(id, expected=again.version, durable=False)
            elif there is None:
                await self._new.insert(_mark(found), now=now)
            elif await self._new.update(found, expected=there.version):
                await self._old.delete(id, durable=False)
                return found
        raise StoreUnavailable("other requests kept working on this session")

    async def _move_all(self, subject: str) -> None:
        after: str | None = None
        while True:
            page = await self._old.page(subject, after=after)
            for record in page.records:
                with suppress(RecordReadOnly):  # of a newer release: it stays where it is
                    await self.move(record.id, now=record.seen_at)
            if page.after is None:
                return
            after = page.after


async def _ended(
    end: Awaitable[T], outcome: Callable[[NotDurable], T]
) -> tuple[T, NotDurable | None]:
    """Carry out an end; what one store cannot prove must still be done in the other.

    What it came to, by `outcome` where it is not proved, and that error.
    """
    try:
        return await end, None
    except NotDurable as error:
        return outcome(error), error


def _named(error: NotDurable) -> tuple[str, ...]:
    return error.ended


def _mark(record: Record) -> Record:
    """A record that is over for every credential, in the place of one that is on its way."""
    return Record(
        id=record.id,
        secret_hash=os.urandom(32),
        created_at=0,
        seen_at=0,
        expires_at=record.expires_at,
        policy=Policy(_MOVING, 1, 1),
        version=int.from_bytes(os.urandom(8), "big"),
    )


def _is_mark(record: Record) -> bool:
    return record.policy.name == _MOVING
