"""A coroutine store as a blocking one, so that one contract serves both."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from holdfast.protocols import (
        Admitted,
        AsyncStore,
        Cap,
        Page,
        Reading,
        Refused,
        Replacing,
        Take,
        Taken,
    )
    from holdfast.record import Record

T = TypeVar("T")


class BlockingStore:
    """A `holdfast.protocols.Store` over an `AsyncStore`, which runs on an event loop in a thread.

    For tests: calls from many threads become many tasks of the one loop.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._start()

    def salt(self) -> bytes:
        """See `holdfast.protocols.Store`, as for all verbs here."""
        return self._wait(self._store.salt())

    def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        """Pass on."""
        return self._wait(self._store.get(id, now=now, take=take))

    def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        """Pass on."""
        return self._wait(self._store.insert(record, now=now, cap=cap, replacing=replacing))

    def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        """Pass on."""
        return self._wait(self._store.update(record, expected=expected, durable=durable))

    def touch(self, id: str, *, seen_at: int, expires_at: int, address: str | None = None) -> bool:
        """Pass on."""
        call = self._store.touch(id, seen_at=seen_at, expires_at=expires_at, address=address)
        return self._wait(call)

    def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        """Pass on."""
        return self._wait(self._store.delete(id, expected=expected, durable=durable))

    def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        """Pass on."""
        return self._wait(self._store.page(subject, after=after, limit=limit))

    def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        """Pass on."""
        return self._wait(self._store.delete_all(subject, keep=keep))

    def purge(self, *, now: int, limit: int = 1000) -> int:
        """Pass on."""
        return self._wait(self._store.purge(now=now, limit=limit))

    def bump_epoch(self) -> int:
        """Pass on."""
        return self._wait(self._store.bump_epoch())

    def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        """Pass on."""
        return self._wait(self._store.take(key, limit=limit, period=period, now=now))

    def after_fork(self) -> None:
        """Start a loop of the child's own, then pass on."""
        self._start()
        self._wait(self._store.after_fork())

    def close(self) -> None:
        """Close the store and end the loop."""
        if self._loop.is_closed():
            return
        self._wait(self._store.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="blocking-store", daemon=True)
        self._thread.start()

    def _wait(self, call: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()
