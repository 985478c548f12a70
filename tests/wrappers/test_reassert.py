"""Re-assertion: what this process has revoked stays revoked, whatever the store has lost (P14)."""

from contextlib import nullcontext

import pytest

from holdfast.errors import NotDurable, RecordReadOnly, StoreCorrupt, StoreUnavailable
from holdfast.faces import async_shaped, run
from holdfast.protocols import Take
from holdfast.record import changed
from holdfast.stores import revocations as module
from holdfast.stores.memory import MemoryStore
from holdfast.stores.reassert import SLICE, Reassert, settle_quietly
from holdfast.stores.revocations import WINDOW, Revocations
from holdfast.testing import HookedStore
from holdfast.testing.contracts.samples import Samples
from wrappers.world import Seconds, rewritten


class World:
    """A store that can lose writes: `fail_over` puts back what a replica would still have."""

    def __init__(self):
        self.clock = Seconds()
        self.records = MemoryStore()
        self.hooked = HookedStore(self.records)
        self.samples = Samples(self.records, lambda: 0)
        self.revocations = Revocations(self.clock)
        self.epochs = []
        self.epoch_error = None
        self.losing_epochs = 0
        self.store = self._face()
        self.other_face = self._face()

    def _face(self):
        async def raise_epoch(epoch):
            if self.epoch_error:
                raise self.epoch_error
            self.epochs.append(epoch)
            if self.losing_epochs:
                self.losing_epochs -= 1
                self.revocations.lost()

        return Reassert(async_shaped(self.hooked.blocking()), self.revocations, raise_epoch)

    def stored(self, subject="ada", **fields):
        return self.samples.stored(subject, **fields)

    def fail_over(self, *lost):
        """Another node takes over, in which these records are as they are given."""
        for record in lost:
            self.records.delete(record.id)
            self.records.insert(record, now=0)
        self.revocations.lost()
        self.hooked.calls.clear()

    def get(self, id):
        return run(self.store.get(id, now=0)).record

    def stored_now(self, id):
        return self.records.get(id, now=0).record


@pytest.fixture
def world():
    return World()


def test_a_lost_log_out_is_said_again_before_anything_is_served(world):
    """The first call after a loss deletes the record once more, and only then reads."""
    ended, other = world.stored(), world.stored("bob")
    assert run(world.store.delete(ended.id))
    world.fail_over(ended)
    assert world.get(other.id) == other
    assert world.hooked.calls == ["delete", "get"]
    assert world.stored_now(ended.id) is None


def test_a_loss_that_is_noticed_in_a_read_comes_before_its_answer(world):
    """The back end reconnects by itself within the call: what it read there does not count."""
    ended, other = world.stored(), world.stored("bob")
    run(world.store.delete(ended.id))
    run(world.store.bump_epoch())
    world.records.insert(other, now=0)
    for verb, read in (
        ("get", lambda: run(world.store.get(other.id, now=0, take=Take("key", 9, 1000)))),
        ("page", lambda: run(world.store.page("bob"))),
    ):
        world.hooked.calls.clear()
        world.epochs.clear()
        world.hooked.before(verb, world.revocations.lost)
        read()
        assert world.epochs == [1]
        assert world.hooked.calls == [verb, "delete", verb]
    taken = run(world.store.get(other.id, now=0, take=Take("key", 9, 1000))).taken
    assert taken.remaining == 7


@pytest.mark.parametrize("verb", ["get", "page"])
def test_a_loss_in_the_second_read_does_not_count_either(world, verb):
    """Two nodes go one after another: what the third says counts once it was told."""
    other = world.stored("bob")
    run(world.store.bump_epoch())
    world.records.insert(other, now=0)
    world.hooked.calls.clear()

    def lose_twice():
        world.revocations.lost()
        world.hooked.before(verb, world.revocations.lost)

    world.hooked.before(verb, lose_twice)
    run(world.store.get(other.id, now=0) if verb == "get" else world.store.page("bob"))
    assert (world.epochs, world.hooked.calls) == ([1, 1], [verb] * 3)


def test_connections_that_keep_breaking_are_an_outage(world):
    """Nothing is believed, and nobody waits for ever."""
    other = world.stored()

    def lose():
        world.revocations.lost()
        world.hooked.before("get", lose)

    world.hooked.before("get", lose)
    with pytest.raises(StoreUnavailable):
        world.get(other.id)


def test_it_is_said_once_for_each_loss(world):
    """And again after the next one, as that may lose the same write."""
    ended, other = world.stored(), world.stored("bob")
    run(world.store.delete(ended.id))
    for _ in range(2):
        world.fail_over(ended)
        world.get(other.id)
        world.get(other.id)
        assert world.hooked.calls == ["delete", "get", "get"]


def test_without_a_loss_nothing_is_said_again(world):
    """A quiet process costs nothing."""
    run(world.store.delete(world.stored().id))
    world.hooked.calls.clear()
    other = world.stored("bob")
    world.get(other.id)
    assert world.hooked.calls == ["get"]


def test_what_this_process_ended_is_never_served_again(world):
    """Even while it is still owed: neither read nor list, update nor touch brings it back."""
    ended, kept = world.stored(), world.stored()
    run(world.store.delete(ended.id))
    world.records.insert(ended, now=0)
    assert world.get(ended.id) is None
    assert run(world.store.page("ada")).records == (kept,)
    assert not run(world.store.update(rewritten(ended), expected=ended.version))
    assert not run(world.store.touch(ended.id, seen_at=1, expires_at=1))


def test_both_faces_share_what_they_know(world):
    """What a thread has revoked, a coroutine refuses."""
    ended = world.stored()
    run(world.store.delete(ended.id))
    world.records.insert(ended, now=0)
    assert run(world.other_face.get(ended.id, now=0)).record is None


def test_log_out_everywhere_is_remembered_by_id(world):
    """Never by subject: who has signed in again since stays signed in."""
    ended = [world.stored() for _ in range(3)]
    assert set(run(world.store.delete_all("ada"))) == {each.id for each in ended}
    newer = world.stored()
    world.fail_over(*ended)
    assert world.get(newer.id) == newer
    assert run(world.store.page("ada")).records == (newer,)
    assert world.records.page("ada").records == (newer,)


def test_a_lost_token_revocation_is_added_to_the_record_again(world):
    """Whatever else has changed in it meanwhile stays."""
    record = world.stored(revoked={"old": 5})
    revoked = rewritten(record, revoked={"old": 5, "new": 9}, tokens_not_before=7)
    assert run(world.store.update(revoked, expected=record.version, durable=True))
    world.fail_over(changed(record, data=b'{"kept":1}'))
    read = world.get(record.id)
    assert (read.revoked, read.tokens_not_before, read.data) == (
        {"old": 5, "new": 9},
        7,
        b'{"kept":1}',
    )
    assert world.stored_now(record.id) == read
    assert read.version != record.version


def test_a_record_that_knows_is_not_written_again(world):
    """The new primary had it after all."""
    record = world.stored()
    revoked = rewritten(record, revoked={"new": 9})
    run(world.store.update(revoked, expected=record.version, durable=True))
    world.fail_over()
    assert world.get(record.id) == revoked
    assert world.hooked.calls == ["get", "get"]


def test_a_revoked_token_is_refused_while_it_is_owed(world):
    """A read during the assertion by another caller already shows the token as revoked."""
    record = world.stored(revoked={})
    revoked = rewritten(record, revoked={"new": 9})
    run(world.store.update(revoked, expected=record.version, durable=True))
    world.records.delete(record.id)
    world.records.insert(record, now=0)
    assert world.get(record.id).revoked == {"new": 9}
    assert run(world.store.page("ada")).records[0].revoked == {"new": 9}


def test_a_race_during_the_assertion_is_tried_again(world):
    """Another process changes the record between our read and our write."""
    record = world.stored(revoked={})
    run(
        world.store.update(
            rewritten(record, revoked={"new": 9}), expected=record.version, durable=True
        )
    )
    world.fail_over(record)
    newer = rewritten(record, data=b'{"other":1}')
    world.hooked.before("update", lambda: world.records.update(newer, expected=record.version))
    read = world.get(record.id)
    assert (read.revoked, read.data) == ({"new": 9}, b'{"other":1}')


def test_ordinary_updates_are_not_remembered(world):
    """Only durable writes that tell of revoked tokens are."""
    record = world.stored(revoked={})
    run(world.store.update(rewritten(record), expected=record.version, durable=True))
    world.fail_over()
    world.get(record.id)
    assert world.hooked.calls == ["get"]


def test_everyone_out_is_raised_again(world):
    """The epoch, at least as high as it was acknowledged."""
    run(world.store.bump_epoch())
    world.fail_over()
    world.get("x")
    assert world.epochs == [1]
    world.get("x")
    assert world.epochs == [1]


def test_nobody_is_served_while_everyone_is_owed(world):
    """Which sessions are meant cannot be judged here, so all wait."""
    record = world.stored()
    run(world.store.bump_epoch())
    world.fail_over(record)
    world.epoch_error = StoreUnavailable("not yet")
    with pytest.raises(StoreUnavailable):
        world.get(record.id)
    world.epoch_error = None
    world.get(record.id)
    assert world.epochs == [1]


def test_a_store_that_is_away_keeps_its_debts(world):
    """A failed assertion fails the request, and the next one tries again."""
    ended, other = world.stored(), world.stored("bob")
    run(world.store.delete(ended.id))
    world.fail_over(ended)

    def away():
        raise StoreUnavailable("not yet")

    world.hooked.before("delete", away)
    with pytest.raises(StoreUnavailable):
        world.get(other.id)
    assert world.get(other.id) == other
    assert world.stored_now(ended.id) is None


@pytest.mark.parametrize("error", [StoreCorrupt, RecordReadOnly])
@pytest.mark.parametrize("verb", ["delete", "update"])
def test_what_the_store_refuses_for_good_stops_nobody_else(world, caplog, verb, error):
    """A damaged record, or one of a newer release: it stays refused here, and all others are served."""
    record, other, later = world.stored(revoked={}), world.stored("bob"), world.stored("bob")
    if verb == "delete":
        run(world.store.delete(record.id))
    else:
        revoked = rewritten(record, revoked={"new": 9})
        run(world.store.update(revoked, expected=record.version, durable=True))
    run(world.store.delete(later.id))
    world.fail_over(record, later)

    def refuses():
        raise error("the test says so")

    world.hooked.before(verb, refuses)
    assert world.get(other.id) == other
    assert not world.revocations.owes
    assert world.stored_now(later.id) is None, "and what comes after it is asserted"
    read = world.get(record.id)
    assert read is None if verb == "delete" else read.revoked == {"new": 9}
    assert "cannot be asserted again" in caplog.text


def test_one_caller_says_only_a_part(world):
    """A long list does not hold one request up beyond its time limit."""
    ended = [world.stored() for _ in range(SLICE + 10)]
    for each in ended:
        run(world.store.delete(each.id))
    world.fail_over(*ended)
    other = world.stored("bob")
    world.get(other.id)
    assert world.hooked.calls.count("delete") == SLICE
    assert world.revocations.debts == 10
    assert world.get(ended[-1].id) is None
    run(settle_quietly(world.store))
    assert world.revocations.debts == 0
    assert world.records.page("ada").records == ()


def test_one_caller_says_it_for_a_moment_only(world):
    """A store may be slow in each; what is left is said by others, and refused here meanwhile."""
    ended = [world.stored() for _ in range(9)]
    for each in ended:
        run(world.store.delete(each.id))
    world.fail_over(*ended)
    other = world.stored("bob")
    world.hooked.after("delete", lambda: world.clock.advance(0.4), times=3)
    world.get(other.id)
    assert world.hooked.calls == ["delete"] * 3 + ["get"]
    assert world.get(ended[-1].id) is None
    run(settle_quietly(world.store))
    assert world.records.page("ada").records == ()


def test_what_is_still_owed_is_part_of_what_is_written(world):
    """A request has read its session before a token of it was revoked, and a node that lost this takes it."""
    read, ended = world.stored(), world.stored()
    revoked = changed(read, version=5, revoked={"part": 9})
    assert run(world.store.update(revoked, expected=read.version, durable=True))
    run(world.store.delete(ended.id))
    world.fail_over(read, ended)
    world.hooked.after("delete", lambda: world.clock.advance(2))
    assert run(world.store.update(rewritten(read), expected=read.version))
    assert world.revocations.debts == 1
    assert "part" in world.stored_now(read.id).revoked


def test_the_background_waits_for_a_store_that_is_away(world, caplog):
    """It says so and comes back."""
    run(world.store.delete(world.stored().id))
    world.fail_over()

    def away():
        raise StoreUnavailable("not yet")

    world.hooked.before("delete", away)
    run(settle_quietly(world.store))
    assert "still to be asserted" in caplog.text
    assert world.revocations.owes


@pytest.mark.parametrize("verb", ["delete", "delete_all", "update"])
def test_what_was_done_without_proof_is_remembered_too(world, verb):
    """`NotDurable` means done here; a loss would undo just that."""
    record = world.stored(revoked={})
    revoked = rewritten(record, revoked={"new": 9})

    def unproved():
        raise NotDurable("too few replicas", (record.id,))

    world.hooked.after(verb, unproved)
    call = {
        "delete": lambda: world.store.delete(record.id),
        "delete_all": lambda: world.store.delete_all("ada"),
        "update": lambda: world.store.update(revoked, expected=record.version, durable=True),
    }[verb]
    with pytest.raises(NotDurable):
        run(call())
    world.fail_over(record)
    read = world.get(record.id)
    assert read.revoked == {"new": 9} if verb == "update" else read is None


def test_the_end_of_everyone_without_proof_is_remembered_too(world):
    """The error brings the epoch, since a retry may never come."""

    def unproved():
        raise NotDurable("too few replicas", epoch=7)

    world.hooked.after("bump_epoch", unproved)
    with pytest.raises(NotDurable):
        run(world.store.bump_epoch())
    world.fail_over()
    world.get("x")
    assert world.epochs == [7]


@pytest.mark.parametrize("proved", [True, False])
@pytest.mark.parametrize("verb", ["delete", "delete_all", "update", "bump_epoch"])
def test_what_was_done_while_a_connection_was_lost_is_owed(world, verb, proved):
    """One connection answers yet, while another has shown that its node is gone."""
    record, other = world.stored(revoked={}), world.stored("bob")
    revoked = rewritten(record, revoked={"new": 9})

    def lose():
        world.revocations.lost()
        if not proved:
            raise NotDurable("too few replicas", (record.id,), 1)

    world.hooked.after(verb, lose)
    call = {
        "delete": lambda: world.store.delete(record.id),
        "delete_all": lambda: world.store.delete_all("ada"),
        "update": lambda: world.store.update(revoked, expected=record.version, durable=True),
        "bump_epoch": world.store.bump_epoch,
    }[verb]
    with nullcontext() if proved else pytest.raises(NotDurable):
        run(call())
    if verb != "bump_epoch":
        world.records.delete(record.id)
        world.records.insert(record, now=0)
    world.get(other.id)
    if verb == "bump_epoch":
        assert world.epochs == [1]
    else:
        now = world.stored_now(record.id)
        assert now.revoked == {"new": 9} if verb == "update" else now is None


def test_a_loss_while_everyone_is_said_again_leaves_it_owed(world):
    """The node that was told is gone as well: nobody writes or reads before the next one was told."""
    record = world.stored()
    run(world.store.bump_epoch())
    world.records.insert(record, now=0)
    world.fail_over()
    world.losing_epochs = 1
    assert run(world.store.update(rewritten(record), expected=record.version))
    assert world.epochs == [1, 1]
    assert not world.revocations.owes


def test_nodes_that_keep_going_while_everyone_is_said_again_are_an_outage(world):
    """Nobody waits for ever."""
    run(world.store.bump_epoch())
    world.fail_over()
    world.losing_epochs = 99
    with pytest.raises(StoreUnavailable):
        run(world.store.delete("x"))


def test_a_proof_that_failed_on_a_lost_node_says_nothing_of_the_next(world, monkeypatch):
    """What is said again there is to be proved again."""
    asked = []
    delete = world.records.delete
    for _ in range(2):
        run(world.store.delete(world.stored().id))
    world.fail_over()

    def noted(id, *, expected=None, durable=True):
        asked.append(durable)
        return delete(id, expected=expected, durable=durable)

    def unproved():
        world.revocations.lost()
        raise NotDurable("too few replicas")

    monkeypatch.setattr(world.records, "delete", noted)
    world.hooked.after("delete", unproved)
    run(settle_quietly(world.store))
    assert asked == [True] * 3


def test_an_assertion_without_proof_counts(world, caplog):
    """Its next loss says it again; until then the service goes on."""
    ended, other = world.stored(), world.stored("bob")
    run(world.store.delete(ended.id))
    world.fail_over(ended)

    def unproved():
        raise NotDurable("too few replicas")

    world.hooked.after("delete", unproved)
    assert world.get(other.id) == other
    assert not world.revocations.owes
    assert "without proof" in caplog.text


def test_what_cannot_be_proved_is_waited_for_once(world, caplog, monkeypatch):
    """Each wait may take half of the time limit, and there may be thousands; the next loss tries again."""
    asked = []
    delete = world.records.delete

    def noted(id, *, expected=None, durable=True):
        asked.append(durable)
        return delete(id, expected=expected, durable=durable)

    def unproved():
        raise NotDurable("too few replicas")

    record = world.stored(revoked={})
    run(
        world.store.update(
            rewritten(record, revoked={"new": 9}), expected=record.version, durable=True
        )
    )
    for _ in range(5):
        run(world.store.delete(world.stored().id))
    monkeypatch.setattr(world.records, "delete", noted)
    for _ in range(2):
        world.fail_over(record)
        asked.clear()
        world.hooked.after("delete", unproved)
        run(settle_quietly(world.store))
        assert asked == [True] + [False] * 4
    assert caplog.text.count("without proof") == 2
    assert world.stored_now(record.id).revoked == {"new": 9}


@pytest.mark.parametrize(
    "options", [{"expected": 1}, {"durable": False}], ids=["lost the race", "not durable"]
)
def test_what_was_not_revoked_is_not_remembered(world, options):
    """A delete that did not happen, or that nobody called a revocation."""
    record = world.stored()
    run(world.store.delete(record.id, **options))
    world.records.delete(record.id)
    world.records.insert(record, now=0)
    assert world.get(record.id) == record


def test_revocations_are_forgotten_after_a_while(world):
    """After fifteen minutes a replica has had its time."""
    run(world.store.delete(world.stored().id))
    run(world.store.bump_epoch())
    world.clock.advance(WINDOW + 1)
    world.fail_over()
    assert not world.revocations.owes


def test_what_is_owed_is_not_forgotten(world):
    """An outage longer than the memory: what was lost in it is said again all the same."""
    ended, other = world.stored(), world.stored("bob")
    run(world.store.delete(ended.id))
    run(world.store.bump_epoch())
    world.records.insert(other, now=0)
    world.fail_over(ended)
    world.clock.advance(WINDOW + 1)
    world.revocations.note_ended(other.id, since=world.revocations.losses)
    world.revocations.lost()
    assert world.revocations.ended(ended.id)
    run(settle_quietly(world.store))
    assert world.stored_now(ended.id) is None
    assert world.epochs == [1]
    assert not world.revocations.owes
    world.revocations.note_ended(other.id, since=world.revocations.losses)
    assert not world.revocations.ended(ended.id), "and forgotten when it is paid"


def test_the_memory_is_bounded(world, monkeypatch, caplog):
    """The oldest go first, and the log says so once."""
    monkeypatch.setattr(module, "MOST", 3)
    ended = [world.stored() for _ in range(5)]
    for each in ended:
        run(world.store.delete(each.id))
    assert [world.revocations.ended(each.id) for each in ended] == [False, False, True, True, True]
    assert caplog.text.count("more revocations") == 1


def test_a_child_of_fork_owes_nothing(world):
    """What the parent has revoked is the parent's to say."""
    run(world.store.delete(world.stored().id))
    world.revocations.lost()
    run(world.store.after_fork())
    assert not world.revocations.owes
