"""Random sequences of verbs, on a store and on a dictionary at the same time."""
# ruff: noqa: D102 - the rules of the machine are the verbs

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.protocols import Admitted, Cap, Refused, Replacing
from holdfast.record import changed
from holdfast.testing.contracts.samples import listed

if TYPE_CHECKING:
    from holdfast.protocols import Store
    from holdfast.record import Record
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contracts.samples import Samples

PICKS = st.integers(0, 6)
SUBJECTS = st.sampled_from(["alice", "bob", None])
CAPS = st.sampled_from([None, Cap(2, "evict_oldest"), Cap(2, "reject"), Cap(1, "evict_oldest")])
STEPS = st.integers(-5000, 5000)
ADDRESSES = st.sampled_from([None, "192.0.2.7"])


class Model:
    """What a store must do, told with a dictionary."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    def of(self, subject: str | None) -> list[Record]:
        """The living records of one subject, or of everybody, by id."""
        chosen = [r for r in self.records.values() if subject is None or r.subject == subject]
        return sorted(chosen, key=lambda record: record.id)

    def insert(self, record: Record, cap: Cap | None, replacing: Replacing | None) -> Any:
        """As the verb; all records here are alive."""
        if record.id in self.records:
            return Refused("exists")
        old = self.records.get(replacing.id) if replacing else None
        if replacing and old and old.version != replacing.version:
            return Refused("changed")
        rivals = [] if record.subject is None else self.of(record.subject)
        rivals = sorted((r for r in rivals if r is not old), key=lambda r: (r.created_at, r.id))
        over = len(rivals) + 1 - cap.limit if cap and record.subject is not None else 0
        if cap and over > 0 and cap.over == "reject":
            return Refused("cap")
        for gone in [*rivals[: max(over, 0)], *([old] if old else [])]:
            del self.records[gone.id]
        self.records[record.id] = record
        return Admitted(tuple(r.id for r in rivals[: max(over, 0)]))

    def update(self, record: Record, expected: int) -> bool:
        """As the verb."""
        old = self.records.get(record.id)
        if old is None or old.version != expected:
            return False
        self.records[record.id] = changed(
            record,
            address=record.address if record.seen_at >= old.seen_at else old.address,
            seen_at=max(old.seen_at, record.seen_at),
            expires_at=max(old.expires_at, record.expires_at),
        )
        return True

    def touch(self, id: str, seen_at: int, expires_at: int, address: str | None) -> bool:
        """As the verb."""
        old = self.records.get(id)
        if old is None:
            return False
        kept = address is None or seen_at < old.seen_at
        self.records[id] = changed(
            old,
            seen_at=max(old.seen_at, seen_at),
            expires_at=max(old.expires_at, expires_at),
            address=old.address if kept else address,
        )
        return True


class Machine(RuleBasedStateMachine):
    """One sequence of verbs, which begins with an empty store."""

    def __init__(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        super().__init__()
        self.store, self.samples, self.clock = store, samples, clock
        self.model = Model()
        self.known: list[Record] = []
        store.bump_epoch()  # whatever an earlier sequence has left

    def pick(self, number: int) -> Record:
        """A record that was in the store once, in the state in which somebody read it."""
        if not self.known:
            self.known.append(self.samples.record())
        return self.known[-1 - number % len(self.known)]

    @rule(subject=SUBJECTS, cap=CAPS)
    def insert(self, subject: str | None, cap: Cap | None) -> None:
        record = self.samples.record(subject)
        answer = self.store.insert(record, now=self.clock(), cap=cap)
        assert answer == self.model.insert(record, cap, None)
        self.known.append(record)

    @rule(number=PICKS, subject=SUBJECTS, cap=CAPS)
    def replace(self, number: int, subject: str | None, cap: Cap | None) -> None:
        record, old = self.samples.record(subject), self.pick(number)
        replacing = Replacing(old.id, old.version)
        answer = self.store.insert(record, now=self.clock(), cap=cap, replacing=replacing)
        assert answer == self.model.insert(record, cap, replacing)
        self.known.append(record)

    @rule(number=PICKS)
    def insert_again(self, number: int) -> None:
        old = self.pick(number)
        if old.id in self.model.records:
            assert self.store.insert(old, now=self.clock()) == Refused("exists")

    @rule(number=PICKS, step=STEPS)
    def update(self, number: int, step: int) -> None:
        old = self.pick(number)
        new = self.samples.record(old.subject, id=old.id, created_at=old.created_at)
        new = changed(new, seen_at=old.seen_at + step, expires_at=old.expires_at + step)
        answer = self.store.update(new, expected=old.version)
        assert answer == self.model.update(new, old.version)
        self.known.append(new)

    @rule(number=PICKS, step=STEPS, address=ADDRESSES)
    def touch(self, number: int, step: int, address: str | None) -> None:
        old = self.pick(number)
        seen_at, expires_at = old.seen_at + step, old.expires_at + step
        answer = self.store.touch(old.id, seen_at=seen_at, expires_at=expires_at, address=address)
        assert answer == self.model.touch(old.id, seen_at, expires_at, address)

    @rule(number=PICKS, careful=st.booleans())
    def delete(self, number: int, careful: bool) -> None:  # noqa: FBT001 - drawn by name
        old = self.pick(number)
        now = self.model.records.get(old.id)
        there = now is not None and (not careful or now.version == old.version)
        expected = old.version if careful else None
        assert self.store.delete(old.id, expected=expected, durable=False) == there
        if there:
            del self.model.records[old.id]

    @rule(subject=st.sampled_from(["alice", "bob"]), number=PICKS)
    def delete_all(self, subject: str, number: int) -> None:
        keep = self.pick(number).id
        gone = {r.id for r in self.model.of(subject)} - {keep}
        assert set(self.store.delete_all(subject, keep=keep)) == gone
        for each in gone:
            del self.model.records[each]

    @rule()
    def purge(self) -> None:
        self.store.purge(now=self.clock())

    @rule()
    def bump_epoch(self) -> None:
        self.store.bump_epoch()
        self.model.records.clear()

    @invariant()
    def records_are_the_models(self) -> None:
        for each in self.known[-7:]:
            found = self.store.get(each.id, now=self.clock()).record
            assert found == self.model.records.get(each.id)

    @invariant()
    def pages_are_the_models(self) -> None:
        for subject in ("alice", "bob", None):
            assert listed(self.store, subject) == [r.id for r in self.model.of(subject)]
