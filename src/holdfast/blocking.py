"""`Sessions`: the engine for threads, from the same source.

The engine's coroutines await nothing but the store. Here the store is a blocking one behind methods
that are async in shape only, so a coroutine runs to its end at the first `send(None)`: no event
loop, no thread, about one microsecond. If anything ever did suspend, `RuntimeError` would say so at
once.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from holdfast.engine import AsyncSessions, Touch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from holdfast.protocols import (
        Admitted,
        Cap,
        Clock,
        Entropy,
        Page,
        Reading,
        Refused,
        Replacing,
        Sink,
        Store,
        Take,
        Taken,
    )
    from holdfast.record import Record
    from holdfast.rules.keys import KeyRing
    from holdfast.settings import Settings

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


def sync(
    method: Callable[Concatenate[AsyncSessions, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Sessions, P], T]:
    """The blocking twin of a method of `AsyncSessions`, with the same signature and docstring."""

    @wraps(method)
    def call(self: Sessions, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self.engine, *args, **kwargs))

    return call


class Sessions:
    """All operations on sessions, for threads; see `AsyncSessions` for each of them.

    `engine` is the `AsyncSessions` underneath, whose coroutines `run` can drive.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        keys: KeyRing,
        *,
        clock: Clock,
        entropy: Entropy,
        sinks: Sequence[Sink] = (),
        collect: Callable[[Touch], None] | None = None,
    ) -> None:
        self.engine = AsyncSessions(
            AsyncShaped(store),
            settings,
            keys,
            clock=clock,
            entropy=entropy,
            sinks=sinks,
            collect=collect,
        )

    begin = sync(AsyncSessions.begin)
    begin_bearer = sync(AsyncSessions.begin_bearer)
    commit = sync(AsyncSessions.commit)
    sign_in = sync(AsyncSessions.sign_in)
    sign_out = sync(AsyncSessions.sign_out)
    rotate = sync(AsyncSessions.rotate)
    issue_tokens = sync(AsyncSessions.issue_tokens)
    verify_token = sync(AsyncSessions.verify_token)
    refresh = sync(AsyncSessions.refresh)
    revoke_token = sync(AsyncSessions.revoke_token)
    revoke_jti = sync(AsyncSessions.revoke_jti)
    revoke = sync(AsyncSessions.revoke)
    revoke_all = sync(AsyncSessions.revoke_all)
    revoke_everyone = sync(AsyncSessions.revoke_everyone)
    find = sync(AsyncSessions.find)
    sessions_of = sync(AsyncSessions.sessions_of)
    sweep = sync(AsyncSessions.sweep)


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
