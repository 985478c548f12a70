"""Asserts this process's recent revocations again after a loss, before the store is believed (P14).

The first callers after a loss each say a part of what is owed and then go on, so that none waits
for all of it. A back end may notice a loss only in a call, and still answer it from the other side:
that reading is thrown away, and taken again after the assertion. Meanwhile nobody is served what is
still owed: `Revocations` is asked at every read. Only the end of everyone's sessions cannot be
judged here; until the store has that again, every call fails.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from holdfast.errors import (
    NotDurable,
    RecordReadOnly,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
)
from holdfast.protocols import Page, Reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.protocols import Admitted, AsyncStore, Cap, Refused, Replacing, Take
    from holdfast.record import Record
    from holdfast.stores.revocations import Debt, Revocations, Tokens

T = TypeVar("T")

SLICE = 64
"""Revocations that one caller asserts at most before its own call."""

PATIENCE = 1.0
"""Seconds for which it goes on with that at most, should the store be slow."""

_ATTEMPTS = 16
_log = logging.getLogger("holdfast")


class Reassert:
    """An `AsyncStore` that remembers revocations in `revocations`, which both faces share.

    `raise_epoch` is that of the store, see `holdfast.stores.remote`.
    """

    def __init__(
        self,
        store: AsyncStore,
        revocations: Revocations,
        raise_epoch: Callable[[int], Awaitable[None]],
    ) -> None:
        self._store = store
        self._revocations = revocations
        self._raise_epoch = raise_epoch
        self.salt = store.salt
        self.take = store.take
        self.purge = store.purge
        self.close = store.close

    async def settle(self, most: int = SLICE) -> bool:
        """Assert up to `most` of what is owed; whether nothing is left.

        Raises:
            StoreError: the store cannot take it now.
        """
        await self._settle_epoch()
        until = self._revocations.clock() + PATIENCE
        for _ in range(most):
            debt = None if self._revocations.clock() >= until else self._revocations.next_debt()
            if debt is None:
                break
            try:
                await self._pay(partial(self._assert, debt))
            except (StoreCorrupt, RecordReadOnly) as error:  # as ever; others must not wait for it
                _log.error("a revocation cannot be asserted again: %s", error)
            except BaseException:
                self._revocations.put_back(debt)
                raise
        return not self._revocations.owes

    async def _settle_epoch(self) -> None:
        """Raise the epoch until no connection is lost meanwhile: nothing may be served before."""
        for _ in range(_ATTEMPTS):
            losses, epoch = self._revocations.losses, self._revocations.owed_epoch
            if epoch is None:
                return
            await self._pay(partial(self._raise_epoch, epoch))
            self._revocations.epoch_paid(epoch, losses)
        if self._revocations.owed_epoch is not None:
            raise _breaking()

    async def _pay(self, call: Callable[[], Awaitable[object]]) -> None:
        losses = self._revocations.losses
        try:
            await call()
        except NotDurable:  # each of the others would wait as long, and no request may
            self._revocations.unproved(losses)
            _log.warning("revocations are asserted again, without proof that they are durable")

    async def _assert(self, debt: Debt) -> None:
        if debt.tokens is None:
            await self._store.delete(debt.id, durable=self._revocations.provable)
        else:
            await self._revoke_tokens(debt.id, debt.tokens)

    async def _revoke_tokens(self, id: str, tokens: Tokens) -> None:
        for _ in range(_ATTEMPTS):
            record = (await self._store.get(id, now=0)).record
            if record is None or tokens.within(record):
                return
            draft = tokens.added_to(record, version=int.from_bytes(os.urandom(8), "big"))
            durable = self._revocations.provable
            if await self._store.update(draft, expected=record.version, durable=durable):
                return
        raise StoreUnavailable("a session was changed too often to revoke its tokens again")

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        if self._revocations.owes:
            await self.settle()
        return await call()

    async def _believed(self, read: Callable[[], Awaitable[T]]) -> T:
        """What is read while no connection is lost: an answer from the other side does not count."""
        for _ in range(_ATTEMPTS):
            losses = self._revocations.losses
            answer = await self._call(read)
            if losses == self._revocations.losses:
                return answer
        raise _breaking()

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        if self._revocations.ended(id):
            return Reading(None)
        losses = self._revocations.losses
        if self._revocations.owes:
            await self.settle()
        reading = await self._store.get(id, now=now, take=take)
        if losses != self._revocations.losses:
            again = await self._believed(partial(self._store.get, id, now=now))
            reading = replace(again, taken=reading.taken)
        if reading.record is None:
            return reading
        judged = self._revocations.judged(reading.record)
        return reading if judged is reading.record else replace(reading, record=judged)

    async def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        call = partial(self._store.insert, record, now=now, cap=cap, replacing=replacing)
        return await self._call(call)

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        if self._revocations.ended(record.id):
            return False
        record = self._revocations.judged(record)
        if self._revocations.owes:
            await self.settle()
        losses = self._revocations.losses
        try:
            done = await self._store.update(record, expected=expected, durable=durable)
        except NotDurable:
            self._revocations.note_tokens(record, since=losses)
            raise
        if done and durable:
            self._revocations.note_tokens(record, since=losses)
        return done

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        if self._revocations.ended(id):
            return False
        call = partial(
            self._store.touch, id, seen_at=seen_at, expires_at=expires_at, address=address
        )
        return await self._call(call)

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        call = partial(self._store.delete, id, expected=expected, durable=durable)
        losses = self._revocations.losses
        try:
            done = await self._call(call)
        except NotDurable:
            self._revocations.note_ended(id, since=losses)
            raise
        if durable and (done or expected is None):
            self._revocations.note_ended(id, since=losses)
        return done

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        page = await self._believed(partial(self._store.page, subject, after=after, limit=limit))
        living = (each for each in page.records if not self._revocations.ended(each.id))
        return Page(tuple(map(self._revocations.judged, living)), page.after)

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        losses = self._revocations.losses
        try:
            gone = await self._call(partial(self._store.delete_all, subject, keep=keep))
        except NotDurable as error:
            self._revocations.note_ended(*error.ended, since=losses)
            raise
        self._revocations.note_ended(*gone, since=losses)
        return gone

    async def bump_epoch(self) -> int:
        losses = self._revocations.losses
        try:
            epoch = await self._call(self._store.bump_epoch)
        except NotDurable as error:
            if error.epoch is not None:
                self._revocations.note_epoch(error.epoch, since=losses)
            raise
        self._revocations.note_epoch(epoch, since=losses)
        return epoch

    async def after_fork(self) -> None:
        self._revocations.clear()
        await self._store.after_fork()


def _breaking() -> StoreUnavailable:
    return StoreUnavailable("connections to the store keep breaking")


async def settle_quietly(store: Reassert) -> None:
    """Assert all that is owed, for a thread that has nobody to tell of a failure but the log."""
    try:
        while not await store.settle():
            pass
    except StoreError as error:
        _log.warning("revocations are still to be asserted again: %s", error)
