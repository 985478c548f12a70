"""The engine for threads is the engine for coroutines, run to its end without a loop."""

import asyncio
import inspect

import pytest

from holdfast import AsyncSessions, Sessions
from holdfast.blocking import run

PUBLIC = [
    name
    for name, value in vars(AsyncSessions).items()
    if inspect.iscoroutinefunction(value) and not name.startswith("_")
]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_operation_has_its_twin(name):
    """P24: the same parameters and the same text; none can be forgotten."""
    ours, theirs = getattr(Sessions, name), getattr(AsyncSessions, name)
    assert not inspect.iscoroutinefunction(ours)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.__doc__ == theirs.__doc__


def test_a_coroutine_that_does_not_suspend_is_a_function():
    """Its result, or what it raises."""

    async def answer():
        return 7

    async def mishap():
        raise KeyError("x")

    assert run(answer()) == 7
    with pytest.raises(KeyError):
        run(mishap())


def test_a_coroutine_that_suspends_is_a_defect_and_told():
    """It is closed, so that what it holds is let go."""
    closed = []

    async def waits():
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="suspended"):
        run(waits())
    assert closed == [True]
