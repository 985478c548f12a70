"""Hooks make something happen exactly around a verb."""

import asyncio

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.protocols import Reading
from holdfast.record import changed
from holdfast.testing import AsyncMemoryStore, FakeClock, HookedStore, MemoryStore
from holdfast.testing.contracts.samples import Samples


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def samples(store, clock):
    return Samples(store, clock)


def fail():
    raise StoreUnavailable("away")


def test_before_opens_the_gap_of_a_race(store, samples):
    """What another request does right before a late update makes it fail."""
    record = samples.stored()
    hooked = HookedStore(store)
    hooked.before("update", lambda: store.delete(record.id))
    assert not hooked.update(changed(record, version=1), expected=record.version)


def test_after_runs_before_the_caller_goes_on(store, samples, clock):
    """The caller holds an answer that is out of date already."""
    record = samples.stored()
    hooked = HookedStore(store)
    hooked.after("get", lambda: store.delete(record.id))
    assert hooked.get(record.id, now=clock()) == Reading(record)
    assert store.get(record.id, now=clock()) == Reading(None)


def test_a_hook_runs_as_often_as_it_was_told(store):
    """Once by itself, and several in turn; what a hook calls is not hooked again."""
    hooked, seen = HookedStore(store), []
    hooked.before("salt", lambda: (seen.append("a"), hooked.salt()))
    hooked.before("salt", lambda: seen.append("b"), times=2)
    for _ in range(4):
        hooked.salt()
    assert seen == ["a", "b", "b"]
    assert hooked.calls == ["salt"] * 5


def test_a_hook_may_stand_for_an_outage(store):
    """What a hook raises comes out of the verb, which before `before` did nothing."""
    hooked = HookedStore(store)
    hooked.before("bump_epoch", fail)
    with pytest.raises(StoreUnavailable):
        hooked.bump_epoch()
    assert hooked.bump_epoch() == 1


def test_a_misspelt_verb_is_a_mistake(store):
    """A hook that can never run would make a test that tests nothing."""
    with pytest.raises(AttributeError):
        HookedStore(store).before("updat", fail)
    with pytest.raises(AttributeError):
        HookedStore(store).updat()


def test_coroutine_stores(store, samples, clock):
    """Around a store for coroutines, hooks may be plain or coroutine functions."""
    record = samples.stored()
    asynchronous = AsyncMemoryStore(store)
    hooked, seen = HookedStore(asynchronous), []
    hooked.before("get", lambda: asynchronous.delete(record.id))
    hooked.after("get", lambda: seen.append("after"))

    async def main():
        return await hooked.get(record.id, now=clock())

    assert asyncio.run(main()) == Reading(None)
    assert seen == ["after"]


def test_the_clock_moves_by_hand(clock):
    """A test's time stands still until it is moved."""
    now = clock()
    assert clock.advance(5) == clock() == now + 5
    assert clock.advance(-10) == now - 5
