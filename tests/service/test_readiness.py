"""Readiness: the store answers and takes writes, proved within bounds whoever asks."""

import asyncio

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.service.readiness import AGAIN_AFTER_MS, PROVED_FOR_MS, Readiness
from holdfast.stores.memory import AsyncMemoryStore
from holdfast.testing import FakeClock


class Disk:
    """A store whose disk may be full."""

    def __init__(self):
        self._store = AsyncMemoryStore()
        self.full = False
        self.tried = self.looked = 0

    async def get(self, id, **options):
        self.looked += 1
        return await self._store.get(id, **options)

    async def take(self, key, **options):
        self.tried += 1
        if self.full:
            raise StoreUnavailable("disk full")
        return await self._store.take(key, **options)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def ready(disk, clock):
    readiness = Readiness(disk, clock)

    def asked():
        try:
            asyncio.run(readiness.prove())
        except StoreUnavailable:
            return False
        return True

    return asked


def test_a_full_disk_is_found_within_the_bound(ready, disk, clock):
    """What still reads and takes no writes is not ready (P20)."""
    assert ready()
    disk.full = True
    assert ready()
    clock.advance(PROVED_FOR_MS)
    assert not ready()
    assert not ready()


def test_it_comes_back_by_itself(ready, disk, clock):
    """The next try after a second finds it."""
    disk.full = True
    assert not ready()
    disk.full = False
    assert not ready()
    clock.advance(AGAIN_AFTER_MS)
    assert ready()


def test_a_clock_that_is_set_back_pins_nothing(ready, disk, clock):
    """Neither an answer that was red, nor one that was green."""
    disk.full = True
    assert not ready()
    clock.advance(-3_600_000)
    disk.full = False
    assert ready()
    clock.advance(-3_600_000)
    disk.full = True
    assert not ready()


def test_nobody_is_told_before_the_first_write(disk, clock):
    """Who asks while it is under way does not know yet."""
    readiness = Readiness(disk, clock)

    async def two():
        under_way, done = asyncio.Event(), asyncio.Event()
        take = disk.take

        async def slow(key, **options):
            under_way.set()
            await done.wait()
            return await take(key, **options)

        disk.take = slow
        first = asyncio.create_task(readiness.prove())
        await under_way.wait()
        with pytest.raises(StoreUnavailable):
            await readiness.prove()
        done.set()
        await first
        await readiness.prove()

    asyncio.run(two())


def test_who_asks_often_writes_no_more(ready, disk, clock):
    """Anybody may ask, so writes are few: also those that fail (promise 7)."""
    for _ in range(50):
        ready()
    assert (disk.tried, disk.looked) == (1, 50)
    disk.full = True
    clock.advance(PROVED_FOR_MS)
    for _ in range(50):
        ready()
    assert disk.tried == 2
