"""Password checks beside the event loop: how many at once, how many wait, for how long."""

import asyncio
import threading
import time

import pytest

from holdfast.chain import Refusal
from holdfast.service.checks import Checks


@pytest.fixture
def checks():
    checks = Checks(threads=1, queue=2, timeout=0.2)
    yield checks
    checks.close()


def busy(error):
    assert (error.value.reply.status, b"sign_in_busy" in error.value.reply.body) == (503, True)
    assert ("Retry-After", "1") in error.value.reply.headers


def test_the_event_loop_goes_on_during_a_check(checks):
    """A check runs in a thread."""

    async def scenario():
        ticks = 0
        check = asyncio.ensure_future(checks.run(lambda: time.sleep(0.1)))
        while not check.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(scenario()) > 3


def test_only_so_many_run_at_once(checks):
    """The others take their turns."""
    running, most = 0, 0

    async def one():
        nonlocal running, most
        async with checks.slot():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

    async def scenario():
        await asyncio.gather(*(one() for _ in range(3)))

    asyncio.run(scenario())
    assert most == 1


def test_only_so_many_wait(checks):
    """The fourth is told to come back, at once."""

    async def one():
        async with checks.slot():
            await asyncio.sleep(0.05)

    async def scenario():
        return await asyncio.gather(*(one() for _ in range(5)), return_exceptions=True)

    answers = asyncio.run(scenario())
    assert sum(isinstance(answer, Refusal) for answer in answers) == 2


def test_nobody_waits_for_ever(checks):
    """Neither for a turn, nor for a check that hangs."""
    free = threading.Event()

    async def hang():
        async with checks.slot():
            await checks.run(free.wait)

    async def late():
        await asyncio.sleep(0.01)
        async with checks.slot():
            pass

    async def scenario():
        with pytest.raises(Refusal) as hanging:
            await hang()
        busy(hanging)
        async with checks.slot():
            with pytest.raises(Refusal) as waiting:
                await late()
            busy(waiting)

    asyncio.run(scenario())
    free.set()
