"""One store in two shapes: the engine and the wrappers are coroutines, also where threads use them.

Their coroutines await nothing but a store. Where that is a blocking one behind methods that are
async in shape only, a coroutine runs to its end at the first `send(None)`: no event loop, no
thread, about one microsecond. If anything ever did suspend, `RuntimeError` would say so at once.

`blocking` turns a verb of the one shape into the other and keeps its signature, so that a blocking
store over one for coroutines is a list of names. The other way round the verbs are written out: each
request passes there, and arguments that are handed on unseen cost it 0.4 µs a call.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from holdfast.protocols import AsyncStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from holdfast.protocols import (
        Admitted,
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

P = ParamSpec("P")
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


class OverShaped(Protocol):
    """A blocking store over one for coroutines that never suspends; it says so by this base."""

    shaped: Any


def blocking(
    verb: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[OverShaped, P], T]:
    """This verb of a store for coroutines, run to its end."""
    name = verb.__name__

    @wraps(verb)
    def call(self: OverShaped, /, *args: P.args, **kwargs: P.kwargs) -> T:
        coroutine: Coroutine[Any, Any, T] = getattr(self.shaped, name)(*args, **kwargs)
        return run(coroutine)

    return call


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

    def get_at_once(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        """Pass on: this thread may wait."""
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


class BlockingShaped(OverShaped):
    """A store for coroutines that never suspends, as a blocking one: a wrapper over `AsyncShaped`.

    See `holdfast.protocols.Store` for its verbs.
    """

    def __init__(self, shaped: AsyncStore) -> None:
        self.shaped = shaped

    salt = blocking(AsyncStore.salt)
    get = blocking(AsyncStore.get)
    insert = blocking(AsyncStore.insert)
    update = blocking(AsyncStore.update)
    touch = blocking(AsyncStore.touch)
    delete = blocking(AsyncStore.delete)
    page = blocking(AsyncStore.page)
    delete_all = blocking(AsyncStore.delete_all)
    purge = blocking(AsyncStore.purge)
    bump_epoch = blocking(AsyncStore.bump_epoch)
    take = blocking(AsyncStore.take)
    after_fork = blocking(AsyncStore.after_fork)
    close = blocking(AsyncStore.close)


def async_shaped(store: Store) -> AsyncStore:
    """The blocking store in the shape that engine and wrappers await."""
    if OverShaped in type(store).__mro__:
        shaped: AsyncStore = cast("OverShaped", store).shaped
        return shaped
    return AsyncShaped(store)


class Together(NamedTuple):
    """A third face, for many calls of one thread at a time that should not wait for each other.

    `run` takes coroutines that await nothing but `store`, and gives for each what it returns or the
    `StoreError` with which it ends.
    """

    store: AsyncStore
    run: Callable[[Iterable[Coroutine[Any, Any, Any]]], list[Any]]
