"""Insert, update, touch and delete are different words, and each says whether it happened (P1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdfast.protocols import Admitted, Refused, Replacing
from holdfast.record import changed
from holdfast.testing.contracts.samples import said, together

if TYPE_CHECKING:
    from holdfast.protocols import Store
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contracts.samples import Samples


class WritingContract:
    """What a store owes when records come, change and go."""

    def test_get_returns_what_was_inserted(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Every field of a record survives the way through the store."""
        record = samples.stored()
        assert said(store.get(record.id, now=clock())) == (record, None, False)

    def test_anonymous_records_are_kept(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """A record needs no subject."""
        record = samples.stored(None, authenticated_at=None, address=None)
        assert store.get(record.id, now=clock()).record == record

    def test_unknown_id_is_no_error(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """Nothing is found under an id that was never inserted, and nothing can be done to it."""
        record = samples.record()
        assert said(store.get(record.id, now=clock())) == (None, None, False)
        assert not store.update(record, expected=record.version)
        assert not store.touch(record.id, seen_at=clock(), expires_at=clock())
        assert not store.delete(record.id)

    def test_insert_never_overwrites(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """An id that exists is refused, and the stored record stays as it was (P1)."""
        record = samples.stored()
        thief = samples.record("mallory", id=record.id)
        assert store.insert(thief, now=clock()) == Refused("exists")
        assert store.get(record.id, now=clock()).record == record
        assert store.page("mallory").records == ()

    def test_update_replaces_the_record(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """With the version that is stored, an update writes all of the new record."""
        old = samples.stored()
        new = samples.record(id=old.id, seen_at=old.seen_at + 1, address=None)
        assert store.update(new, expected=old.version, durable=True)
        assert store.get(old.id, now=clock()).record == new

    def test_stale_update_fails(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """Whoever read an older version changes nothing (P2, P3)."""
        old = samples.stored()
        new = samples.record(id=old.id)
        assert store.update(new, expected=old.version)
        late = samples.record(id=old.id)
        assert not store.update(late, expected=old.version)
        assert not store.update(late, expected=new.version ^ 1 << 63)
        assert store.get(old.id, now=clock()).record == new

    def test_nothing_revives_a_deleted_record(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Update and touch of a request that was in flight during a log-out fail (P1)."""
        record = samples.stored()
        assert store.delete(record.id)
        assert not store.update(samples.record(id=record.id), expected=record.version)
        assert not store.touch(record.id, seen_at=clock.advance(1), expires_at=clock() + 1)
        assert said(store.get(record.id, now=clock())) == (None, None, False)
        assert store.page(record.subject).records == ()

    def test_update_keeps_later_times(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """A touch during a request is not undone by the request's own update (§3)."""
        old = samples.stored()
        seen_at, expires_at = old.seen_at + 5000, old.expires_at + 5000
        assert store.touch(old.id, seen_at=seen_at, expires_at=expires_at, address="192.0.2.7")
        new = changed(old, version=old.version ^ 1, data=b"{}")
        assert store.update(new, expected=old.version)
        expected = changed(new, seen_at=seen_at, expires_at=expires_at, address="192.0.2.7")
        assert store.get(old.id, now=clock()).record == expected

    def test_a_durable_update_keeps_later_times(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Nor by one that waits for the disk or for replicas, as a rotation does."""
        old = samples.stored()
        seen_at, expires_at = old.seen_at + 5000, old.expires_at + 5000
        assert store.touch(old.id, seen_at=seen_at, expires_at=expires_at)
        new = changed(old, version=old.version ^ 1)
        assert store.update(new, expected=old.version, durable=True)
        expected = changed(new, seen_at=seen_at, expires_at=expires_at)
        assert store.get(old.id, now=clock()).record == expected

    def test_touch_leaves_version_and_data_alone(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """A touch changes times and address, and an update that was read before it fits."""
        old = samples.stored()
        seen_at, expires_at = old.seen_at + 1, old.expires_at + 2
        assert store.touch(old.id, seen_at=seen_at, expires_at=expires_at, address="192.0.2.7")
        touched = changed(old, seen_at=seen_at, expires_at=expires_at, address="192.0.2.7")
        assert store.get(old.id, now=clock()).record == touched
        assert store.update(changed(old, version=1), expected=old.version)

    def test_touch_without_an_address_keeps_the_last_one(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """An address that is not given is not a change."""
        old = samples.stored()
        assert store.touch(old.id, seen_at=old.seen_at + 1, expires_at=old.expires_at)
        found = store.get(old.id, now=clock()).record
        assert found is not None
        assert found.address == old.address

    def test_touch_never_moves_back(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """A touch that arrives late is answered as done and changes nothing."""
        old = samples.stored()
        assert store.touch(
            old.id, seen_at=old.seen_at - 1, expires_at=old.expires_at - 1, address="192.0.2.7"
        )
        assert store.get(old.id, now=clock()).record == old

    def test_delete_says_whether_it_happened(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """The first delete is True and every other False; nothing is left in the index."""
        record, other = samples.several(2)
        assert store.delete(record.id)
        assert not store.delete(record.id)
        assert not store.delete(record.id, durable=False)
        assert store.get(record.id, now=clock()).record is None
        assert store.page("alice").records == (other,)
        assert store.delete_all("alice") == (other.id,)

    def test_delete_of_a_changed_record_fails(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """With `expected`, only that version is deleted."""
        record = samples.stored()
        assert not store.delete(record.id, expected=record.version ^ 1)
        assert store.get(record.id, now=clock()).record == record
        assert store.delete(record.id, expected=record.version)
        assert store.get(record.id, now=clock()).record is None

    def test_simultaneous_updates_have_one_winner(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Of many updates of the same version one is carried out, and the rest know that (P3)."""
        old = samples.stored()
        new = [samples.record(id=old.id) for _ in range(8)]
        won = together([partial(store.update, each, expected=old.version) for each in new])
        assert won.count(True) == 1
        found = store.get(old.id, now=clock()).record
        assert found is not None
        assert found.version == new[won.index(True)].version

    def test_simultaneous_inserts_of_one_id_have_one_winner(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """An id is given away once."""
        old = samples.record()
        new = [samples.record(id=old.id) for _ in range(8)]
        answers = together([partial(store.insert, each, now=clock()) for each in new])
        assert sorted(map(str, answers)) == [str(Admitted())] + [str(Refused("exists"))] * 7
        assert store.get(old.id, now=clock()).record == new[answers.index(Admitted())]

    def test_replacing_takes_the_old_record_away(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """The new record is there and the old one gone, also from the index of its subject."""
        old, new = samples.stored("alice"), samples.record("alice")
        answer = store.insert(new, now=clock(), replacing=Replacing(old.id, old.version))
        assert answer == Admitted()
        assert store.get(old.id, now=clock()).record is None
        assert store.page("alice").records == (new,)

    def test_replacing_a_changed_record_changes_nothing(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Replacing a record that changed since it was read would lose the change (§4)."""
        old, new = samples.stored(), samples.record()
        answer = store.insert(new, now=clock(), replacing=Replacing(old.id, old.version ^ 1))
        assert answer == Refused("changed")
        assert store.get(new.id, now=clock()).record is None
        assert store.page(old.subject).records == (old,)

    def test_replacing_a_record_that_is_gone_is_an_insert(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """There is nothing left to take the place of, and that is no obstacle (§4)."""
        old, new = samples.record(), samples.record()
        answer = store.insert(new, now=clock(), replacing=Replacing(old.id, old.version))
        assert answer == Admitted()
        assert store.get(new.id, now=clock()).record == new
