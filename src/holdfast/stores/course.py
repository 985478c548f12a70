"""Coroutines that ask together: each is suspended until all others have asked as well, or have ended.

What they await yields its question, and whoever drives them hands in the answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from holdfast.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

Asked = TypeVar("Asked")


class Suspended(NamedTuple, Generic[Asked]):
    """A coroutine that waits for the answer to what it asked."""

    number: int
    coroutine: Coroutine[Asked, Any, Any]
    asked: Asked


class Course(Generic[Asked]):
    """How far each of some coroutines is: `results`, in their order, and those that are `suspended`."""

    def __init__(self, coroutines: Iterable[Coroutine[Any, Any, Any]]) -> None:
        each = [*coroutines]
        self.results: list[Any] = [None] * len(each)
        self.suspended: list[Suspended[Asked]] = []
        for number, coroutine in enumerate(each):
            self._step(number, coroutine, None)

    def asked(self) -> list[Suspended[Asked]]:
        """Those that wait now; each is to be answered."""
        waiting, self.suspended = self.suspended, []
        return waiting

    def answer(self, waiting: Suspended[Asked], answer: Any) -> None:
        """Hand in what was answered, or an exception, up to the next question or the end."""
        self._step(waiting.number, waiting.coroutine, answer)

    def _step(self, number: int, coroutine: Coroutine[Asked, Any, Any], answer: Any) -> None:
        try:
            if isinstance(answer, Exception):  # noqa: SIM108 - longer on one line
                asked = coroutine.throw(answer)
            else:
                asked = coroutine.send(answer)
        except StopIteration as done:
            self.results[number] = done.value
        except StoreError as error:
            self.results[number] = error
        else:
            self.suspended.append(Suspended(number, coroutine, asked))
