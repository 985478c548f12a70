"""The breaker: an outage is felt at once, tried one call at a time, and ends by itself."""

import asyncio
import types
from operator import itemgetter

import pytest

from holdfast.errors import NotDurable, RecordReadOnly, StoreUnavailable
from holdfast.faces import async_shaped, run
from holdfast.stores.breaker import FAILURES, LONGEST_PAUSE, Breaker, Circuit, Circuits
from holdfast.stores.memory import MemoryStore
from holdfast.testing import HookedStore
from holdfast.testing.contracts.samples import Samples
from wrappers.world import Seconds


class Fails:
    """A hook that stands for a node that does not answer."""

    def __init__(self, error=StoreUnavailable):
        self.error = error

    def __call__(self):
        raise self.error("the test says so")


@pytest.fixture
def clock():
    return Seconds()


@pytest.fixture
def store():
    return HookedStore(MemoryStore())


@pytest.fixture
def circuits(clock):
    return Circuits(clock, lambda low, high: high)


@pytest.fixture
def breaker(store, circuits):
    return Breaker(async_shaped(store.blocking()), circuits, itemgetter(0))


def get(breaker, id="a1"):
    return run(breaker.get(id, now=0))


def fail(breaker, store, times=FAILURES, id="a1"):
    for _ in range(times):
        store.before("get", Fails())
        with pytest.raises(StoreUnavailable):
            get(breaker, id)


def test_a_few_failures_are_let_through(breaker, store):
    """One slow answer is no outage."""
    fail(breaker, store, FAILURES - 1)
    assert get(breaker).record is None
    fail(breaker, store, FAILURES - 1)
    assert get(breaker).record is None


def test_after_some_in_a_row_the_node_is_left_alone(breaker, store, circuits):
    """Requests are refused at once, without a call, and the outlook names the node."""
    fail(breaker, store)
    calls = len(store.calls)
    with pytest.raises(StoreUnavailable):
        get(breaker)
    assert len(store.calls) == calls
    assert circuits.away() == ("a",)


def test_other_nodes_are_called_all_the_same(breaker, store):
    """One dead primary of many does not take the others with it."""
    fail(breaker, store)
    assert get(breaker, "b1").record is None


def test_one_call_tries_and_all_go_on(breaker, store, clock, circuits):
    """After the pause a single success closes the circuit."""
    fail(breaker, store)
    clock.advance(0.5)
    assert get(breaker).record is None
    assert circuits.away() == ()
    fail(breaker, store, FAILURES - 1)


def test_only_one_call_tries_at_a_time(breaker, store, clock):
    """A node that comes back is not met by everybody at once."""
    fail(breaker, store)
    clock.advance(0.5)
    refused = []

    def others():
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                get(breaker)
            refused.append(True)

    store.before("get", others)
    assert get(breaker).record is None
    assert len(refused) == 3


def seconds_until_tried(breaker, store, clock):
    """How long the node is left alone, until a call tries, and fails."""
    began, calls = clock(), len(store.calls)
    while len(store.calls) == calls:
        clock.advance(0.25)
        store.before("get", Fails())
        with pytest.raises(StoreUnavailable):
            get(breaker)
        store._before["get"].clear()
    return clock() - began


def test_the_pause_doubles_up_to_a_bound(breaker, store, clock):
    """A long outage is asked about seldom, and its end is noticed within seconds."""
    fail(breaker, store)
    pauses = [seconds_until_tried(breaker, store, clock) for _ in range(6)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, LONGEST_PAUSE, LONGEST_PAUSE]


def test_pauses_and_returns_are_spread(clock):
    """Neither processes nor clients come back as one herd."""
    low = Circuits(clock, lambda low, high: low)
    circuit = Circuit(clock, lambda low, high: low)
    for _ in range(FAILURES):
        circuit.failed()
    clock.advance(0.25)
    circuit.enter()
    assert (low.retry_after(), Circuits(clock, lambda low, high: high).retry_after()) == (1, 4)


@pytest.mark.parametrize("opened", [False, True])
def test_every_refusal_says_when_to_come_back(breaker, store, opened):
    """A spread `Retry-After`, whether the node failed or was not even asked."""
    fail(breaker, store, FAILURES if opened else 1)
    store.before("get", Fails())
    with pytest.raises(StoreUnavailable) as error:
        get(breaker)
    assert error.value.retry_after == 4


@pytest.mark.parametrize("kind", [NotDurable, RecordReadOnly])
def test_an_answer_that_is_an_error_is_an_answer(breaker, store, circuits, kind):
    """A node that says no is not away."""
    fail(breaker, store, FAILURES - 1)
    store.before("get", Fails(kind))
    with pytest.raises(kind):
        get(breaker)
    fail(breaker, store, FAILURES - 1)
    assert circuits.away() == ()


def test_a_caller_who_leaves_lets_another_try(breaker, store, clock):
    """A cancelled trial does not keep the circuit open for ever."""
    fail(breaker, store)
    clock.advance(0.5)
    store.before("get", Fails(asyncio.CancelledError))
    with pytest.raises(asyncio.CancelledError):
        get(breaker)
    assert get(breaker).record is None


def test_an_error_that_ends_many_calls_is_one_failure(breaker, store, circuits):
    """Of calls that were one statement, say; another error is another failure."""
    error = StoreUnavailable("the test says so")

    def fails():
        raise error

    for _ in range(2 * FAILURES):
        store.before("get", fails)
        with pytest.raises(StoreUnavailable):
            get(breaker)
    assert circuits.away() == ()
    fail(breaker, store, FAILURES - 1)
    assert circuits.away() == ("a",)


class Held:
    """A store whose answers the test hands in: a call stands still until it is told how it ends."""

    @types.coroutine
    def get(self, id, *, now, take=None):
        return (yield)


def held(breaker):
    """A call that is under way."""
    call = breaker.get("a1", now=0)
    call.send(None)
    return call


def ended(call, error):
    with pytest.raises(error):
        call.throw(error("the test says so"))


@pytest.mark.parametrize("end", [StoreUnavailable, asyncio.CancelledError])
def test_a_call_from_before_lets_no_second_one_try(circuits, clock, end):
    """It began before the circuit opened, and ends, whichever way, while another call tries."""
    breaker = Breaker(Held(), circuits, itemgetter(0))
    straggler = held(breaker)
    for _ in range(FAILURES):
        ended(held(breaker), StoreUnavailable)
    clock.advance(0.5)
    trial = held(breaker)
    ended(straggler, end)
    clock.advance(LONGEST_PAUSE)
    with pytest.raises(StoreUnavailable, match="now and then"):
        held(breaker)
    ended(trial, StoreUnavailable)
    clock.advance(LONGEST_PAUSE)
    held(breaker)


def test_a_trial_that_outlives_its_outage_speaks_for_no_later_one(circuits, clock):
    """A call from before has closed the circuit, it opened again, and another call tries."""
    breaker = Breaker(Held(), circuits, itemgetter(0))
    straggler = held(breaker)
    trials = []
    for _ in range(2):
        for _ in range(FAILURES):
            ended(held(breaker), StoreUnavailable)
        clock.advance(LONGEST_PAUSE)
        trials.append(held(breaker))
        if straggler is not None:
            with pytest.raises(StopIteration):
                straggler.send(None)
            straggler = None
    ended(trials[0], asyncio.CancelledError)
    with pytest.raises(StoreUnavailable, match="now and then"):
        held(breaker)


def test_all_verbs_go_through(breaker, store, clock):
    """Each passes what it was given, and each is refused while the circuit is open."""
    records = store._store
    samples = Samples(records, lambda: 0)
    record = samples.record("ada")

    def calls():
        return [
            breaker.salt(),
            breaker.insert(record, now=0),
            breaker.get(record.id, now=0),
            breaker.update(record, expected=record.version),
            breaker.touch(record.id, seen_at=1, expires_at=1),
            breaker.page("ada"),
            breaker.take("key", limit=1, period=1000, now=0),
            breaker.purge(now=0),
            breaker.delete(record.id),
            breaker.delete_all("ada"),
            breaker.bump_epoch(),
        ]

    for call in calls():
        run(call)
    assert store.calls == [
        *("salt", "insert", "get", "update", "touch", "page", "take", "purge"),
        *("delete", "delete_all", "bump_epoch"),
    ]
    for node in ("", record.id[:1]):
        for _ in range(FAILURES):
            breaker._circuits.of(node).failed()
    for call in calls():
        with pytest.raises(StoreUnavailable):
            run(call)
    assert len(store.calls) == 11
    run(breaker.after_fork())
    assert get(breaker).record is None
    run(breaker.close())
