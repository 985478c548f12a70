"""Connections for many coroutines of one thread: what all of them ask for at one time is sent in one write.

Where each of a thousand calls would wait for its own answer, one write and one read serve a hundred.
A coroutine that asks is suspended until all others have asked as well, or have come to their ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.errors import StoreError
from holdfast.faces import run
from holdfast.stores.course import Course
from holdfast.stores.redis.errors import Lost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Generator, Iterable

    from holdfast.stores.course import Suspended
    from holdfast.stores.redis.target import Address
    from holdfast.stores.redis.threads import ThreadWires
    from holdfast.stores.redis.wire import Replies

T = TypeVar("T")


class _Asked:
    """What a coroutine waits for; whoever drives it sends in the answer."""

    def __init__(self, address: Address, payload: bytes, count: int, seconds: float) -> None:
        self.address = address
        self.payload = payload
        self.count = count
        self.seconds = seconds

    def __await__(self) -> Generator[_Asked, Replies, Replies]:
        return (yield self)


class TogetherWires:
    """`holdfast.stores.redis.core.Wires` for coroutines that `run` drives, over those of a thread."""

    def __init__(self, wires: ThreadWires) -> None:
        self._wires = wires
        self.send_durably = wires.send_durably
        self.discover = wires.discover
        self.pause = wires.pause
        self.after_fork = wires.after_fork
        self.close = wires.close

    def send(
        self, address: Address, payload: bytes, count: int, *, seconds: float
    ) -> Awaitable[Replies]:
        """See `Wires`."""
        return _Asked(address, payload, count, seconds)

    def run(self, coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T | StoreError]:
        """What each of them returns, or the error of the store with which it ends."""
        course: Course[_Asked] = Course(coroutines)
        while waiting := course.asked():
            by_address: dict[Address, list[Suspended[_Asked]]] = {}
            for each in waiting:
                by_address.setdefault(each.asked.address, []).append(each)
            for address, group in by_address.items():
                self._ask(course, address, group)
        return course.results

    def _ask(
        self, course: Course[_Asked], address: Address, group: list[Suspended[_Asked]]
    ) -> None:
        asked = [each.asked for each in group]
        seconds = min(each.seconds for each in asked)
        payload, count = b"".join(each.payload for each in asked), sum(e.count for e in asked)
        try:
            replies, node = run(self._wires.send(address, payload, count, seconds=seconds))
        except (Lost, StoreError) as error:
            for each in group:
                course.answer(each, error)
            return
        first = 0
        for each in group:
            last = first + each.asked.count
            course.answer(each, (replies[first:last], node))
            first = last
