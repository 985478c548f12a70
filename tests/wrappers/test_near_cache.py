"""The near cache: what it may answer, what it must not, and how much it keeps."""

import pytest
from msgspec.structs import replace

from holdfast.errors import StoreUnavailable
from holdfast.faces import run
from holdfast.protocols import Cap, Replacing, Take
from holdfast.record import changed
from holdfast.stores.near_cache.table import MOST_AGE
from wrappers.world import World, rewritten


@pytest.fixture
def world():
    world = World()
    world.listen()
    return world


def warm(world, **fields):
    """A session that the cache of this process knows."""
    record = world.stored(**fields)
    world.get(record.id)
    world.asked()
    return record


def test_a_hot_read_asks_nobody(world):
    """A record that was read under a line that is heard is answered from memory."""
    record = warm(world)
    reading = world.get(record.id)
    assert (reading.record, reading.taken, reading.cached) == (record, None, True)
    assert world.asked() == 0
    assert world.table.stats()[:2] == (1, 1)


def test_nothing_is_kept_before_the_line_is_open():
    """Without a channel for changes every read goes to the store."""
    world = World()
    world.cut()
    record = warm(world)
    assert world.get(record.id).record == record
    assert world.asked() == 1


def test_nothing_is_served_past_the_bound(world):
    """A process, thread or network that stalls for the bound serves nothing more from memory."""
    record = warm(world)
    world.elsewhere.delete(record.id)
    world.clock.advance(0.999)
    assert world.get(record.id).record == record
    world.clock.advance(0.001)
    assert world.get(record.id).record is None


def test_an_answer_that_was_delayed_is_as_old_as_its_probe(world):
    """Late answers do not stretch the bound."""
    record = warm(world)
    world.clock.advance(0.3)
    world.turn()
    world.clock.advance(0.9)
    world.line().answer()
    world.turn()
    assert world.get(record.id).cached
    world.clock.advance(0.1)
    assert not world.get(record.id).cached


def test_a_revocation_elsewhere_is_heard(world):
    """The change drops the record, long before the bound."""
    record = warm(world)
    world.elsewhere.delete(record.id)
    world.turn()
    assert world.get(record.id).record is None


def test_a_change_elsewhere_is_heard(world):
    """So are new versions."""
    record = warm(world)
    newer = rewritten(record, data=b'{"new":1}')
    assert world.elsewhere.update(newer, expected=record.version)
    world.turn()
    assert world.get(record.id).record == newer


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_change_that_arrives_during_a_read_wins(world, when):
    """What was read before a change is not kept when the change is heard first."""
    record = world.stored()

    def other_request():
        world.elsewhere.delete(record.id)
        world.turn()

    getattr(world.hooked, when)("get", other_request)
    world.get(record.id)
    assert world.get(record.id).record is None


def test_a_change_during_one_of_two_reads_wins(world):
    """Each read of an id that is under way is told of the change."""
    record = world.stored()

    def second_reader():
        world.hooked.after("get", other_request)
        world.get(record.id)

    def other_request():
        world.elsewhere.delete(record.id)
        world.turn()

    world.hooked.after("get", second_reader)
    world.get(record.id)
    assert world.get(record.id).record is None


@pytest.mark.parametrize("event", ["cut", "reopened", "moved", "flushed"])
def test_the_end_of_the_channel_during_a_read_wins(world, event):
    """What was read under a channel that has ended is not kept, even if another has begun."""
    record = world.stored()

    def meanwhile():
        if event == "moved":
            world.remote.moved()
        elif event == "flushed":
            world.elsewhere.bump_epoch()
            world.turn()
        else:
            world.cut()
        if event == "reopened":
            world.open()

    world.hooked.after("get", meanwhile)
    world.get(record.id)
    assert world.table.stats().entries == 0


def test_a_reading_of_another_server_is_not_kept(world):
    """A proxy, a redirect or a restart may bring an answer from a process that nobody listens to."""
    record = world.stored()
    world.remote.nodes["a"] = "a-process-2"
    world.get(record.id)
    assert world.table.stats().entries == 0


@pytest.mark.parametrize("event", ["cut", "moved", "flushed"])
def test_cut_move_and_flush_drop_the_entries(world, event):
    """They are gone, not merely unheard: the memory is free."""
    warm(world)
    if event == "cut":
        world.cut()
    elif event == "moved":
        world.remote.moved()
    else:
        world.elsewhere.bump_epoch()
        world.turn()
    assert world.table.stats()[3:] == (0, 0)


def test_only_the_entries_of_the_cut_node_go():
    """The other nodes' sessions stay hot."""
    world = World("a", "b")
    for name in ("a", "b"):
        world.listen(name)
    records = [warm(world, subject=f"user-{n}") for n in range(20)]
    world.cut("a")
    kept = {record.id for record in records if world.get(record.id).cached}
    assert kept == {record.id for record in records if world.remote.line_of(record.id) == "b"}
    assert 0 < len(kept) < 20


def test_a_quota_is_always_spent_in_the_store(world):
    """A rate limit that rode on a cached read would count in one process only (P59)."""
    record = warm(world)
    take = Take("key", 2, 1000)
    taken = [world.get(record.id, take=take).taken for _ in range(3)]
    assert [each.allowed for each in taken] == [True, True, False]
    assert world.asked() == 3


def test_fresh_reads_ask_the_store_and_renew_the_entry(world):
    """Who asks to be fresh is not answered from memory, and what is learnt is kept."""
    record = warm(world)
    newer = rewritten(record)
    assert world.elsewhere.update(newer, expected=record.version)
    assert world.get(record.id, store=world.fresh).record == newer
    assert world.asked() == 1
    assert world.get(record.id).record == newer
    assert world.asked() == 0


def test_what_is_known_at_once(world):
    """An entry, without a trip; nothing for who asks to be fresh, or has a quota to spend."""
    record = warm(world)
    asked = {"now": world.unix()}
    assert world.near.get_at_once(record.id, **asked).record == record
    assert world.near.get_at_once(record.id, **asked, take=Take("key", 2, 1000)) is None
    assert world.fresh.get_at_once(record.id, **asked) is None
    assert world.asked() == 0


def test_a_fresh_read_that_finds_nothing_drops_the_entry(world):
    """A session that one route refused is not served by the next from memory."""
    record = warm(world)
    world.elsewhere.delete(record.id)
    assert world.get(record.id, store=world.fresh).record is None
    assert world.get(record.id).record is None


def test_anonymous_and_missing_sessions_are_not_kept(world):
    """Only fully authenticated state is (P56), and unknown ids fill no memory."""
    anonymous = world.stored(subject=None)
    for id in (anonymous.id, world.samples.record().id):
        world.get(id)
        world.get(id)
    assert world.asked() == 4
    assert world.table.stats().entries == 0


def test_a_record_of_a_newer_release_is_not_kept(world):
    """Its shape is not ours to judge."""
    record = world.stored()
    kept = world.table._entry
    world.table._entry = lambda reading, channel: kept(
        replace(reading, record=rewritten(record, format=2)), channel
    )
    world.get(record.id)
    assert world.table.stats().entries == 0


@pytest.mark.parametrize("fails", [False, True])
def test_own_writes_are_felt_at_once(world, fails):
    """What this process ended or changed is never served by it again, proved or not."""
    records = {verb: warm(world) for verb in ("update", "delete", "replaced")}
    world.server.away = fails
    calls = [
        world.near.update(rewritten(records["update"]), expected=records["update"].version),
        world.near.delete(records["delete"].id),
        world.near.insert(
            world.samples.record(),
            now=world.unix(),
            replacing=Replacing(records["replaced"].id, records["replaced"].version),
        ),
    ]
    for call in calls:
        try:
            run(call)
        except StoreUnavailable:
            assert fails
    assert world.table.stats().entries == 0


@pytest.mark.parametrize("fails", [False, True])
def test_log_out_everywhere_is_felt_at_once(world, fails):
    """Also when it is not known which sessions went."""
    ended, other = warm(world, subject="ada"), warm(world, subject="bob")
    world.server.away = fails
    try:
        run(world.near.delete_all("ada"))
    except StoreUnavailable:
        assert fails
    assert world.table.find(ended.id) is None
    assert world.table.find(other.id).record == other


@pytest.mark.parametrize("verb", ["delete_all", "bump_epoch"])
def test_a_sweeping_end_wins_over_a_read_that_is_under_way(world, verb):
    """A read from before the end is not kept after it, even if the end was not proved."""
    record = world.stored(subject="ada")

    def end():
        world.server.away = True
        call = world.near.delete_all("ada") if verb == "delete_all" else world.near.bump_epoch()
        with pytest.raises(StoreUnavailable):
            run(call)

    world.hooked.after("get", end)
    world.get(record.id)
    assert world.table.stats().entries == 0


def test_everyone_out_is_felt_at_once(world):
    """`bump_epoch` of this process empties its cache before it returns."""
    record = warm(world)
    run(world.near.bump_epoch())
    assert world.get(record.id).record is None


def test_evicted_sessions_go_at_once(world):
    """A sign-in that pushes an older session out also pushes it out of the memory."""
    record = warm(world, subject="ada")
    run(
        world.near.insert(world.samples.record("ada"), now=world.unix(), cap=Cap(1, "evict_oldest"))
    )
    assert world.table.find(record.id) is None


def test_a_failed_compare_and_set_drops_the_entry(world):
    """The proof that the entry is stale: the next try must read the store."""
    record = warm(world)
    assert world.elsewhere.update(rewritten(record), expected=record.version)
    assert not run(world.near.update(rewritten(record), expected=record.version))
    assert not world.get(record.id).cached


def test_own_touches_are_seen(world):
    """Touches tell nobody, so the entry learns of this process's own, and never goes back."""
    record = warm(world)
    later = {"seen_at": record.seen_at + 60_000, "expires_at": record.expires_at + 60_000}
    run(world.near.touch(record.id, **later, address="192.0.2.1"))
    run(world.near.touch(record.id, seen_at=record.seen_at, expires_at=0))
    known = world.get(record.id)
    assert known.cached
    assert known.record == changed(record, **later, address="192.0.2.1")


def test_a_touch_that_finds_nothing_drops_the_entry(world):
    """It proves that the session is gone."""
    record = warm(world)
    world.server.records.delete(record.id)
    assert not run(world.near.touch(record.id, seen_at=0, expires_at=0))
    assert world.table.stats().entries == 0


def test_a_record_is_read_again_after_a_minute(world):
    """What nobody told us of, such as another process's touches, is learnt then."""
    record = warm(world)
    world.clock.advance(MOST_AGE)
    world.listen()
    assert not world.get(record.id).cached
    assert world.get(record.id).cached


def test_the_number_of_entries_is_bounded_and_the_least_used_goes():
    """A process that sees a million sessions keeps the ones in use."""
    world = World(entries=3)
    world.listen()
    a, b, c = (warm(world) for _ in range(3))
    world.get(a.id)
    d = warm(world)
    assert [world.table.find(each.id) is not None for each in (a, b, c, d)] == [
        True,
        False,
        True,
        True,
    ]


def test_the_bytes_are_bounded():
    """Large sessions count for what they take, and one beyond all bounds is not kept."""
    world = World(size=20_000)
    world.listen()
    for _ in range(20):
        warm(world, data=b'{"x":"' + b"y" * 4000 + b'"}')
    assert 2 <= world.table.stats().entries <= 4
    assert world.table.stats().size <= 20_000
    warm(world, data=b'{"x":"' + b"y" * 30_000 + b'"}')
    assert world.table.stats().size <= 20_000


def test_a_child_of_fork_starts_with_nothing(world, monkeypatch):
    """Neither entries nor lines are inherited."""
    record = warm(world)
    monkeypatch.setattr("os.getpid", lambda: -1)
    run(world.near.after_fork())
    assert world.table.stats() == (0, 0, 0, 0, 0)
    assert world.feed._watches == {}
    assert world.server.records.get(record.id, now=0).record == record


class TestStale:
    """Bounded stale reads while the store is away: a setting, off by default."""

    @pytest.fixture
    def world(self):
        world = World(stale=30.0)
        world.listen()
        return world

    def test_off_by_default(self):
        """Away is away."""
        world = World()
        world.listen()
        record = warm(world)
        world.cut()
        world.server.away = True
        with pytest.raises(StoreUnavailable):
            world.get(record.id)

    def test_a_known_session_is_served_within_the_bound(self, world):
        """Only while the store is away, and only so long after its node was last heard."""
        record = warm(world)
        world.cut()
        world.server.away = True
        world.clock.advance(29.9)
        assert world.get(record.id).record == record
        assert world.table.stats().stale == 1
        world.clock.advance(0.1)
        with pytest.raises(StoreUnavailable):
            world.get(record.id)

    def test_the_store_is_asked_first(self, world):
        """A stale reading never hides what the store knows."""
        record = warm(world)
        world.cut()
        world.elsewhere.delete(record.id)
        assert world.get(record.id).record is None

    def test_a_stale_reading_does_not_become_a_good_one(self, world):
        """It is not kept again as if it had just been read."""
        record = warm(world)
        world.cut()
        world.open()
        world.listen()
        world.server.away = True
        assert world.get(record.id).record == record
        world.server.away = False
        assert not world.get(record.id).cached

    def test_never_what_this_process_has_ended(self, world):
        """A sign-out during the outage answers 503, and the session is dead here all the same."""
        record = warm(world)
        world.cut()
        world.server.away = True
        with pytest.raises(StoreUnavailable):
            run(world.near.delete(record.id))
        with pytest.raises(StoreUnavailable):
            world.get(record.id)

    def test_never_after_a_flush(self, world):
        """What may have changed while the node could still tell is gone."""
        record = warm(world)
        world.elsewhere.bump_epoch()
        world.turn()
        world.cut()
        world.server.away = True
        with pytest.raises(StoreUnavailable):
            world.get(record.id)

    def test_never_with_a_quota_and_never_when_fresh(self, world):
        """Unsafe methods and fresh routes wait for the store."""
        record = warm(world)
        world.cut()
        world.server.away = True
        with pytest.raises(StoreUnavailable):
            world.get(record.id, take=Take("key", 1, 1000))
        with pytest.raises(StoreUnavailable):
            world.get(record.id, store=world.fresh)
