"""Notes of activity of many sessions at a time: one statement and one commit for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from holdfast.errors import StoreError, StoreUnavailable
from holdfast.stores.course import Course
from holdfast.stores.postgres import verbs

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterable, Sequence

    from holdfast.stores.postgres.calls import Call
    from holdfast.stores.postgres.core import PostgresCore

T = TypeVar("T")


class _Asked(NamedTuple):
    """A touch that waits for others; whoever drives it sends in the answer."""

    call: Call[bool]

    def __await__(self) -> Generator[_Asked, bool, bool]:
        return (yield self)


class TogetherCalls:
    """The calls of coroutines that `run` drives, over those of a core for threads."""

    def __init__(self, core: PostgresCore) -> None:
        self._core = core

    async def arun(self, call: Call[T]) -> T:
        """The answer to a call; a touch waits for the others'."""
        if call.function is not verbs.TOUCH:
            return self._core.run(call)
        return cast("T", await _Asked(cast("Call[bool]", call)))

    def run(self, coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T | StoreError]:
        """What each of them returns, or the error of the store with which it ends."""
        course: Course[_Asked] = Course(coroutines)
        while waiting := course.asked():
            calls = [each.asked.call for each in waiting]
            for each, answer in zip(waiting, self._answers(calls), strict=True):
                course.answer(each, answer)
        return course.results

    def _answers(self, calls: Sequence[Call[bool]]) -> Sequence[bool | StoreError]:
        """In their order. Rows are locked in the order of their ids, as by all that lock many."""
        order = sorted(range(len(calls)), key=lambda number: calls[number].values[0] or b"")
        try:
            done = self._core.run(verbs.touch_all([calls[number] for number in order]))
        except StoreUnavailable as error:
            return [error] * len(calls)
        except StoreError:  # one of them may have spoilt it for the others
            return [self._alone(call) for call in calls]
        found = dict(zip(order, done, strict=True))
        return [found[number] for number in range(len(calls))]

    def _alone(self, call: Call[bool]) -> bool | StoreError:
        try:
            return self._core.run(call)
        except StoreError as error:
            return error
