"""Two stores as one while sessions move: the whole contract, whichever store they begin in."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.errors import NotDurable, RecordReadOnly
from holdfast.protocols import Admitted, Cap, Replacing
from holdfast.stores.memory import AsyncMemoryStore, MemoryStore
from holdfast.stores.moving import AsyncMovingStore
from holdfast.stores.sqlite import AsyncSqliteStore
from holdfast.testing import BlockingStore, FakeClock, HookedStore, StoreContract
from holdfast.testing.contracts.samples import Samples, listed


class Begun(AsyncMovingStore):
    """Half of the sessions begin in the old store, as if they had been there before."""

    async def insert(self, record, *, now, cap=None, replacing=None):
        plain = cap is None and replacing is None and ord(record.id[3]) % 2
        if plain and (await self._new.get(record.id, now=now)).record is None:
            return await self._old.insert(record, now=now)
        return await super().insert(record, now=now, cap=cap, replacing=replacing)


class TestMovingStore(StoreContract):
    @pytest.fixture(params=[AsyncMovingStore, Begun])
    def open_store(self, tmp_path, request):
        storages, opened = {}, []

        def open_handle(name="default"):
            old = storages.setdefault(name, AsyncMemoryStore())
            new = AsyncSqliteStore(tmp_path / name)
            opened.append(BlockingStore(request.param(new, old)))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()


@pytest.fixture
def clock():
    return FakeClock()


ENDS = {
    "delete": lambda store, record: store.delete(record.id),
    "delete_all": lambda store, record: store.delete_all("alice"),
    "bump_epoch": lambda store, record: store.bump_epoch(),
}
STEPS = [
    (store, when, verb, turn)
    for store, verb, turns in (
        ("old", "get", 2),
        ("new", "get", 2),
        ("new", "insert", 1),
        ("new", "update", 1),
        ("old", "delete", 1),
    )
    for when in ("before", "after")
    for turn in range(turns)
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("which", "when", "verb", "turn"), STEPS)
def test_a_log_out_during_a_move_is_never_undone(clock, end, which, when, verb, turn):
    """Another process ends the session at any step of a move: it is gone, for everybody (P1)."""
    stores = {"old": AsyncMemoryStore(), "new": AsyncMemoryStore()}
    hooked = {name: HookedStore(store) for name, store in stores.items()}
    mine = AsyncMovingStore(hooked["new"].asynchronous(), hooked["old"].asynchronous())
    theirs = AsyncMovingStore(stores["new"], stores["old"])
    record = Samples(BlockingStore(stores["old"]), clock).stored()
    happened = []

    async def ends():
        await ENDS[end](theirs, record)
        happened.append(end)

    hook = getattr(hooked[which], when)
    for _ in range(turn):
        hook(verb, lambda: None)
    hook(verb, ends)

    async def race():
        await mine.move(record.id, now=clock())
        assert happened == [end]
        for store in (mine, theirs):
            assert (await store.get(record.id, now=clock())).record is None
            assert (await store.page()).records == ()
            assert (await store.page("alice")).records == ()

    asyncio.run(race())


@pytest.mark.parametrize("end", ["delete", "delete_all", "bump_epoch"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("which", ["old", "new"])
def test_what_a_broken_move_has_left_revives_nothing(clock, end, when, which):
    """The record is in both stores; a move comes between the steps of the log-out (P1)."""
    stores = {"old": AsyncMemoryStore(), "new": AsyncMemoryStore()}
    hooked = {name: HookedStore(store) for name, store in stores.items()}
    mine = AsyncMovingStore(hooked["new"].asynchronous(), hooked["old"].asynchronous())
    theirs = AsyncMovingStore(stores["new"], stores["old"])
    record = Samples(BlockingStore(stores["old"]), clock).stored()
    getattr(hooked[which], when)(end, lambda: theirs.move(record.id, now=clock()))

    async def race():
        await stores["new"].insert(record, now=clock())
        await ENDS[end](mine, record)
        assert (await theirs.get(record.id, now=clock())).record is None
        assert (await theirs.page()).records == ()

    asyncio.run(race())


@pytest.mark.parametrize(("which", "when", "verb", "turn"), STEPS)
def test_a_move_that_breaks_off_loses_nothing(clock, which, when, verb, turn):
    """A process dies at any step: the session is there, and the next look moves it."""
    stores = {"old": AsyncMemoryStore(), "new": AsyncMemoryStore()}
    hooked = {name: HookedStore(store) for name, store in stores.items()}
    mine = AsyncMovingStore(hooked["new"].asynchronous(), hooked["old"].asynchronous())
    theirs = AsyncMovingStore(stores["new"], stores["old"])
    record = Samples(BlockingStore(stores["old"]), clock).stored()

    def dies():
        raise ConnectionError

    hook = getattr(hooked[which], when)
    for _ in range(turn):
        hook(verb, lambda: None)
    hook(verb, dies)

    async def race():
        with pytest.raises(ConnectionError):
            await mine.move(record.id, now=clock())
        assert (await theirs.get(record.id, now=clock())).record == record
        assert await theirs.delete(record.id)
        assert (await theirs.get(record.id, now=clock())).record is None

    asyncio.run(race())


@pytest.mark.parametrize("begun", ["old", "new"])
@pytest.mark.parametrize("end", ENDS)
def test_what_the_old_store_cannot_prove_is_ended_all_the_same(clock, end, begun):
    """Too few replicas of the old store have answered: it is said, and done in both stores (P13)."""
    stores = {"old": AsyncMemoryStore(), "new": AsyncMemoryStore()}
    hooked = HookedStore(stores["old"])
    mine = AsyncMovingStore(stores["new"], hooked.asynchronous())
    record = Samples(BlockingStore(stores[begun]), clock).stored()
    ended = (record.id,) if (begun, end) == ("old", "delete_all") else ()

    def unproved():
        raise NotDurable("too few", ended)

    hooked.after(end, unproved)

    async def race():
        with pytest.raises(NotDurable) as error:
            await ENDS[end](mine, record)
        assert error.value.ended == ((record.id,) if end == "delete_all" else ())
        for store in stores.values():
            assert (await store.get(record.id, now=clock())).record is None

    asyncio.run(race())


def test_what_cannot_be_proved_is_waited_for_once(clock, monkeypatch):
    """Clearing up after a log-out everywhere: each wait for replicas may take half of the time limit."""
    old, new = AsyncMemoryStore(), AsyncMemoryStore()
    Samples(BlockingStore(old), clock).several(5)
    asked = []

    async def unproved(id, *, expected=None, durable=True):
        asked.append(durable)
        if durable:
            raise NotDurable("too few")
        return False

    monkeypatch.setattr(new, "delete", unproved)

    async def end():
        with pytest.raises(NotDurable) as error:
            await AsyncMovingStore(new, old).delete_all("alice")
        assert len(error.value.ended) == 5

    asyncio.run(end())
    assert asked == [True] + [False] * 4


@pytest.mark.parametrize("begun", ["old", "new"])
def test_a_sign_in_waits_for_no_replica(clock, begun):
    """What an insert replaces or evicts need not be proved, as in one store: a 503 would leave a session."""
    stores = {"old": AsyncMemoryStore(), "new": AsyncMemoryStore()}
    hooked = {name: HookedStore(store) for name, store in stores.items()}
    mine = AsyncMovingStore(hooked["new"].asynchronous(), hooked["old"].asynchronous())
    samples = Samples(BlockingStore(stores[begun]), clock)
    evicted, before = samples.several(2)
    proofs = []
    for store in stores.values():
        delete = store.delete

        async def noted(id, *, expected=None, durable=True, delete=delete):
            proofs.append(durable)
            return await delete(id, expected=expected, durable=durable)

        store.delete = noted
    replacing = Replacing(before.id, before.version)
    cap = Cap(1, "evict_oldest")
    inserted = samples.record("alice")
    answer = asyncio.run(mine.insert(inserted, now=clock(), cap=cap, replacing=replacing))
    assert answer == Admitted((evicted.id,))
    assert proofs
    assert not any(proofs)


def test_what_a_newer_release_has_written_can_be_ended(clock):
    """This one cannot move it; its owner signs out all the same (P1), and in, and sees the others."""
    old, new = AsyncMemoryStore(), AsyncMemoryStore()
    record = Samples(BlockingStore(old), clock).stored()
    mine = AsyncMovingStore(new, old)
    other = Samples(BlockingStore(new), clock).record("alice")

    async def refused(record, *, expected, durable=False):
        raise RecordReadOnly("a newer release has written this record")

    new.update = refused

    async def end():
        with pytest.raises(RecordReadOnly):
            await mine.get(record.id, now=clock())
        assert (await mine.page("alice")).records == ()
        cap = Cap(2, "reject")
        assert await mine.insert(other, now=clock(), cap=cap) == Admitted()
        assert await mine.delete(record.id)
        assert (await mine.get(record.id, now=clock())).record is None
        assert not await mine.delete(record.id)

    asyncio.run(end())


def test_moves_and_log_outs_at_once(clock):
    """Under load: whatever was acknowledged as ended is ended, and all others are there."""
    old, new = MemoryStore(), MemoryStore()
    stores = [
        BlockingStore(AsyncMovingStore(AsyncMemoryStore(new), AsyncMemoryStore(old)))
        for _ in range(4)
    ]
    records = Samples(old, clock).several(200)
    with ThreadPoolExecutor(8) as threads:
        ended = [threads.submit(stores[n % 4].delete, r.id) for n, r in enumerate(records[::2])]
        reads = [threads.submit(stores[n % 3].get, r.id, now=0) for n, r in enumerate(records)]
        assert all(each.result() for each in ended)
        assert all(each.result().record for each in reads[1::2])
    assert listed(stores[0]) == sorted(record.id for record in records[1::2])
    assert listed(old) == []
    for store in stores:
        store.close()
