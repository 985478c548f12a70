"""One store in two shapes: the engine and the wrappers are coroutines, also where threads use them.

Their coroutines await nothing but a store. Where that is a blocking one behind methods that are
async in shape only, a coroutine runs to its end at the first `send(None)`: no event loop, no
thread, about one microsecond. If anything ever did suspend, `RuntimeError` would say so at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

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
        Store,
        Take,
        Taken,
    )
    from holdfast.record import Record

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends.

    Raises:
        RuntimeError: it did suspend; the engine must await nothing but its store.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine of the engine suspended; only blocking stores may be used here")


class AsyncShaped:
    """A blocking store in the shape of an `AsyncStore`; no method ever suspends."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def salt(self) -> bytes:
        """Pass on."""
        return self._store.salt()

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        """Pass on."""
        return self._store.get(id, now=now, take=take)

    async def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        """Pass on."""
        return self._store.insert(record, now=now, cap=cap, replacing=replacing)

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        """Pass on."""
        return self._store.update(record, expected=expected, durable=durable)

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        """Pass on."""
        return self._store.touch(id, seen_at=seen_at, expires_at=expires_at, address=address)

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        """Pass on."""
        return self._store.delete(id, expected=expected, durable=durable)

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        """Pass on."""
        return self._store.page(subject, after=after, limit=limit)

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        """Pass on."""
        return self._store.delete_all(subject, keep=keep)

    async def purge(self, *, now: int, limit: int = 1000) -> int:
        """Pass on."""
        return self._store.purge(now=now, limit=limit)

    async def bump_epoch(self) -> int:
        """Pass on."""
        return self._store.bump_epoch()

    async def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        """Pass on."""
        return self._store.take(key, limit=limit, period=period, now=now)

    async def after_fork(self) -> None:
        """Pass on."""
        self._store.after_fork()

    async def close(self) -> None:
        """Pass on."""
        self._store.close()


class BlockingShaped:
    """A store for coroutines that never suspends, as a blocking one: a wrapper over `AsyncShaped`."""

    def __init__(self, shaped: AsyncStore) -> None:
        self.shaped = shaped

    def salt(self) -> bytes:
        """Pass on."""
        return run(self.shaped.salt())

    def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        """Pass on."""
        return run(self.shaped.get(id, now=now, take=take))

    def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        """Pass on."""
        return run(self.shaped.insert(record, now=now, cap=cap, replacing=replacing))

    def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        """Pass on."""
        return run(self.shaped.update(record, expected=expected, durable=durable))

    def touch(self, id: str, *, seen_at: int, expires_at: int, address: str | None = None) -> bool:
        """Pass on."""
        return run(self.shaped.touch(id, seen_at=seen_at, expires_at=expires_at, address=address))

    def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        """Pass on."""
        return run(self.shaped.delete(id, expected=expected, durable=durable))

    def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        """Pass on."""
        return run(self.shaped.page(subject, after=after, limit=limit))

    def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        """Pass on."""
        return run(self.shaped.delete_all(subject, keep=keep))

    def purge(self, *, now: int, limit: int = 1000) -> int:
        """Pass on."""
        return run(self.shaped.purge(now=now, limit=limit))

    def bump_epoch(self) -> int:
        """Pass on."""
        return run(self.shaped.bump_epoch())

    def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        """Pass on."""
        return run(self.shaped.take(key, limit=limit, period=period, now=now))

    def after_fork(self) -> None:
        """Pass on."""
        run(self.shaped.after_fork())

    def close(self) -> None:
        """Pass on."""
        run(self.shaped.close())


def async_shaped(store: Store) -> AsyncStore:
    """The blocking store in the shape that engine and wrappers await."""
    return store.shaped if isinstance(store, BlockingShaped) else AsyncShaped(store)
