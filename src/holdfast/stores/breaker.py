"""Fails fast while a node is away, and lets one call at a time try whether it is back.

A node that does not answer would hold every request for the whole time limit, and all of them would
come at it together when it returns. After a few failures in a row calls to it are refused at once,
for a time that doubles and is spread by chance; then a single call tries. What was refused may try
again after a time that is spread as well.
"""

from __future__ import annotations

import random
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from holdfast.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

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

FAILURES = 5
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
RETRY_AFTER = (1, 4)
"""Seconds after which clients are asked to come back, each by chance within these."""

EVERYWHERE = ""
"""The circuit of verbs that concern no single node."""


class Circuit:
    """Whether one node may be called. Closed at first; times are seconds of `clock`.

    `failures` in a row are 0 while the node answers: then there is nothing to ask before a call, and
    nothing to say after it.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._spread = spread
        self._lock = Lock()
        self.failures = 0
        self._pause = FIRST_PAUSE
        self._until = 0.0
        self._trial: object | None = None
        self._latest: Callable[[], BaseException | None] = _none

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, or the one that tries is under way."""
        return self.failures >= FAILURES

    def enter(self) -> object | None:
        """Before a call: what it says of itself when it has failed, if it is the one that tries.

        Raises:
            StoreUnavailable: not now.
        """
        with self._lock:
            if not self.is_open:
                return None
            if self._trial is not None or self._clock() < self._until:
                raise StoreUnavailable("the store is away; it is being tried now and then")
            self._trial = object()
            return self._trial

    def succeeded(self) -> None:
        """The node has answered."""
        with self._lock:
            self.failures = 0
            self._pause = FIRST_PAUSE
            self._trial = None

    def failed(self, trial: object | None = None, error: StoreUnavailable | None = None) -> None:
        """The node did not answer this call, which may have begun before the circuit opened.

        An `error` that ends many calls, which were one statement, is one failure.
        """
        with self._lock:
            before, self._latest = self._latest(), ref(error) if error is not None else _none
            if before is not None and before is error and not self._is_under_way(trial):
                return
            self.failures += 1
            if not self.is_open:
                return
            if self._is_under_way(trial):
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
                self._trial = None
            self._until = self._clock() + self._spread(self._pause / 2, self._pause)

    def given_up(self, trial: object | None) -> None:
        """The caller went away before the answer: if it was the one that tries, another may."""
        with self._lock:
            if self._is_under_way(trial):
                self._trial = None

    def _is_under_way(self, trial: object | None) -> bool:
        return trial is not None and trial is self._trial


def _none() -> None:
    return None


class Circuits:
    """The circuits of a store, one for each node, for both of its faces."""

    def __init__(
        self,
        clock: Callable[[], float],
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._spread = spread
        self.clear()

    def clear(self) -> None:
        """Begin anew, as in a child of `fork`."""
        self._circuits: dict[str, Circuit] = {}

    def of(self, node: str) -> Circuit:
        """The circuit of this node."""
        found = self._circuits.get(node)
        if found is None:
            found = self._circuits.setdefault(node, Circuit(self._clock, self._spread))
        return found

    def keep(self, nodes: Sequence[str]) -> None:
        """Forget the nodes that serve nothing any more: nobody would find that one is back."""
        self._circuits = {
            node: circuit
            for node, circuit in list(self._circuits.items())
            if node in nodes or node == EVERYWHERE
        }

    def away(self) -> tuple[str, ...]:
        """The nodes that are not called now."""
        return tuple(node for node, circuit in list(self._circuits.items()) if circuit.is_open)

    def retry_after(self) -> int:
        """Seconds after which a client may come back."""
        return round(self._spread(*RETRY_AFTER))


class Breaker:
    """An `AsyncStore` in front of one that may be away; `node_of` gives the node of an id.

    A subject's sessions and a quota are found by other means than an id, so all that is not asked
    by id shares one circuit.
    """

    def __init__(
        self, store: AsyncStore, circuits: Circuits, node_of: Callable[[str], str]
    ) -> None:
        self._store = store
        self._circuits = circuits
        self._node_of = node_of

    async def _call(self, node: str, call: Callable[[], Awaitable[T]]) -> T:
        circuit = self._circuits.of(node)
        trial = self._enter(circuit) if circuit.failures else None
        try:
            answer = await call()
        except BaseException as error:
            self._note(circuit, error, trial)
            raise
        if circuit.failures:
            circuit.succeeded()
        return answer

    def _enter(self, circuit: Circuit) -> object | None:
        try:
            return circuit.enter()
        except StoreUnavailable as error:
            error.retry_after = self._circuits.retry_after()
            raise

    def _note(self, circuit: Circuit, error: BaseException, trial: object | None) -> None:
        """What an error says of the node, and to the client."""
        if isinstance(error, StoreUnavailable):
            circuit.failed(trial, error)
            error.retry_after = self._circuits.retry_after()
        elif isinstance(error, StoreError):  # it answers, though not as one would like
            circuit.succeeded()
        else:
            circuit.given_up(trial)

    async def salt(self) -> bytes:
        return await self._call(EVERYWHERE, self._store.salt)

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        circuit = self._circuits.of(self._node_of(id))  # as `_call`, which costs 1 µs more
        trial = self._enter(circuit) if circuit.failures else None
        try:
            reading = await self._store.get(id, now=now, take=take)
        except BaseException as error:
            self._note(circuit, error, trial)
            raise
        if circuit.failures:
            circuit.succeeded()
        return reading

    async def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        call = partial(self._store.insert, record, now=now, cap=cap, replacing=replacing)
        return await self._call(self._node_of(record.id), call)

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        call = partial(self._store.update, record, expected=expected, durable=durable)
        return await self._call(self._node_of(record.id), call)

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        call = partial(
            self._store.touch, id, seen_at=seen_at, expires_at=expires_at, address=address
        )
        return await self._call(self._node_of(id), call)

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        call = partial(self._store.delete, id, expected=expected, durable=durable)
        return await self._call(self._node_of(id), call)

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        call = partial(self._store.page, subject, after=after, limit=limit)
        return await self._call(EVERYWHERE, call)

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        return await self._call(EVERYWHERE, partial(self._store.delete_all, subject, keep=keep))

    async def purge(self, *, now: int, limit: int = 1000) -> int:
        return await self._call(EVERYWHERE, partial(self._store.purge, now=now, limit=limit))

    async def bump_epoch(self) -> int:
        return await self._call(EVERYWHERE, self._store.bump_epoch)

    async def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        call = partial(self._store.take, key, limit=limit, period=period, now=now)
        return await self._call(EVERYWHERE, call)

    async def after_fork(self) -> None:
        self._circuits.clear()
        await self._store.after_fork()

    async def close(self) -> None:
        await self._store.close()
