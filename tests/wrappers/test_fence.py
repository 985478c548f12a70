"""The fence: a node whose replicas do not follow it is not believed, whatever it answers."""

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.faces import async_shaped, run
from holdfast.stores.fence import Fence, wait_in_loop, wait_in_thread
from wrappers.world import World


class Fenced(World):
    """`waits` counts the moments that a caller waited; `meanwhile` happens in each of them."""

    def __init__(self):
        super().__init__()
        self.waits = 0
        self.meanwhile = lambda: None
        self.fence = Fence(async_shaped(self.server), self.feed, self.wait)

    async def wait(self):
        self.waits += 1
        self.clock.advance(0.1)
        self.meanwhile()


@pytest.fixture
def world():
    world = Fenced()
    world.listen()
    return world


def test_a_node_that_is_heard_is_believed(world):
    """The check costs no trip and no wait."""
    record = world.stored()
    assert world.get(record.id, store=world.fence).record == record
    assert run(world.fence.page("ada")).records == (record,)
    assert world.waits == 0


def test_a_partitioned_primary_is_not_believed(world):
    """It answers reads, but its replicas acknowledge nothing: 503, not an old answer."""
    record = world.stored()
    world.clock.advance(1.0)
    with pytest.raises(StoreUnavailable):
        world.get(record.id, store=world.fence)
    with pytest.raises(StoreUnavailable):
        run(world.fence.page("ada"))


def test_what_came_too_late_is_not_believed(world):
    """The probe must be young when the answer is there, not when the question was asked."""
    record = world.stored()
    get = world.server.records.get
    world.server.records.get = lambda *args, **more: (world.clock.advance(1.0), get(*args, **more))[
        1
    ]
    with pytest.raises(StoreUnavailable):
        world.get(record.id, store=world.fence)


def test_another_server_is_not_believed(world):
    """The probes were answered by one process, and the reading by another."""
    record = world.stored()
    world.remote.nodes["a"] = "a-process-2"
    with pytest.raises(StoreUnavailable):
        world.get(record.id, store=world.fence)


def test_the_first_request_waits_for_the_line():
    """A process that has just begun opens its line first, and refuses nobody for that."""
    world = Fenced()
    record = world.stored()
    world.meanwhile = world.listen
    assert world.get(record.id, store=world.fence).record == record
    assert world.waits == 1


def test_it_does_not_wait_for_ever(world):
    """At most for the bound."""
    world.cut()
    with pytest.raises(StoreUnavailable):
        world.get("x", store=world.fence)
    assert 10 <= world.waits <= 11


def test_waiting_keeps_to_its_face():
    """In a thread nothing may suspend; in a loop something must."""
    run(wait_in_thread())
    with pytest.raises(RuntimeError):
        run(wait_in_loop())


def test_the_rest_passes_on(world, monkeypatch):
    """Writes prove themselves by their durability."""
    record = world.stored()
    assert run(world.fence.delete(record.id))
    monkeypatch.setattr("os.getpid", lambda: -1)
    run(world.fence.after_fork())
    assert world.feed._watches == {}
    run(world.fence.close())
