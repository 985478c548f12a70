"""Log-out everywhere, clean-up, and the end of everybody's sessions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdfast.protocols import Admitted, Cap
from holdfast.record import changed
from holdfast.testing.contracts.samples import listed, said, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.protocols import Store
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contracts.samples import Samples


class EndingContract:
    """What a store owes when it ends more than one record."""

    def test_delete_all_spares_keep_and_others(self, store: Store, samples: Samples) -> None:
        """All of the subject's records go but the one to keep, and nobody else's (P11)."""
        mine = samples.several(4, "alice")
        theirs = samples.several(2, "bob")
        anonymous = samples.stored(None)
        gone = store.delete_all("alice", keep=mine[2].id)
        assert sorted(gone) == sorted(r.id for r in mine if r is not mine[2])
        assert listed(store, "alice") == [mine[2].id]
        rest = [mine[2], *theirs, anonymous]
        assert listed(store) == sorted(record.id for record in rest)

    def test_delete_all_is_safe_to_repeat(self, store: Store, samples: Samples) -> None:
        """The second time there is nothing left, and that is no error."""
        record = samples.stored()
        assert store.delete_all("alice") == (record.id,)
        assert store.delete_all("alice") == ()
        assert store.delete_all("nobody") == ()

    def test_keep_of_another_subject_spares_nothing(self, store: Store, samples: Samples) -> None:
        """An id of somebody else's session is no reason to keep anything."""
        mine, theirs = samples.stored("alice"), samples.stored("bob")
        assert store.delete_all("alice", keep=theirs.id) == (mine.id,)
        assert listed(store) == [theirs.id]

    def test_delete_all_reaches_every_way_in(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Records that were inserted, capped, updated and touched are all found (P11)."""
        first, second = samples.several(2)
        third = samples.record()
        assert store.insert(third, now=clock(), cap=Cap(9, "reject")) == Admitted()
        assert store.update(changed(first, version=1), expected=first.version)
        assert store.touch(second.id, seen_at=second.seen_at, expires_at=second.expires_at + 1)
        gone = store.delete_all("alice")
        assert sorted(gone) == sorted([first.id, second.id, third.id])
        assert listed(store) == []

    def test_delete_all_against_parallel_updates(self, store: Store, samples: Samples) -> None:
        """However late an update comes, nothing is left of the subject (P1, P11)."""
        old = samples.several(6)
        calls: list[Callable[[], object]] = [partial(store.delete_all, "alice")]
        for each in old:
            new = changed(each, version=each.version ^ 1)
            calls.append(partial(store.update, new, expected=each.version))
        together(calls)
        assert listed(store, "alice") == []
        assert listed(store) == []

    def test_purge_removes_only_what_has_ended(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """At the very millisecond of `expires_at` a record has ended; one before it lives (P21)."""
        now = clock()
        ended = [samples.stored(expires_at=now - 1), samples.stored(expires_at=now)]
        alive = [samples.stored(expires_at=now + 60_000), samples.stored(None)]
        while store.purge(now=now):
            pass
        assert listed(store) == sorted(record.id for record in alive)
        assert all(store.get(record.id, now=now).record is None for record in ended)
        assert listed(store, "alice") == [alive[0].id]

    def test_purge_respects_a_touch(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """A record that was touched lives by its new end."""
        record = samples.stored(expires_at=clock() + 1000)
        assert store.touch(record.id, seen_at=clock(), expires_at=clock() + 900_000)
        store.purge(now=clock.advance(2000))
        assert listed(store) == [record.id]

    def test_purge_removes_at_most_its_limit(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Each call does bounded work and says how much, down to nothing (P23)."""
        for _ in range(5):
            samples.stored(expires_at=clock())
        went = [store.purge(now=clock(), limit=2) for _ in range(4)]
        assert max(went) <= 2
        assert store.purge(now=clock(), limit=0) == 0
        assert store.purge(now=clock()) == 0
        assert listed(store) == []

    def test_purge_removes_quotas(self, store: Store, clock: FakeClock) -> None:
        """Quotas that are at rest again go as well, and those in use stay."""
        for number in range(3):
            store.take(f"key {number}", limit=5, period=1000, now=clock())
        store.take("busy", limit=1, period=3_600_000, now=clock())
        clock.advance(5000)
        while store.purge(now=clock(), limit=2):
            pass
        assert not store.take("busy", limit=1, period=3_600_000, now=clock()).allowed

    def test_an_epoch_ends_every_session(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """For every verb, what was inserted before is gone at once (§5)."""
        old = [samples.stored("alice"), samples.stored(None)]
        store.bump_epoch()
        for record in old:
            assert said(store.get(record.id, now=clock())) == (None, None, False)
            assert not store.update(changed(record, version=1), expected=record.version)
            assert not store.touch(record.id, seen_at=clock(), expires_at=record.expires_at + 1)
            assert not store.delete(record.id)
        assert listed(store) == []
        assert listed(store, "alice") == []
        assert store.delete_all("alice") == ()

    def test_sessions_begin_again_after_an_epoch(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Who signs in after it has a session like any other, and old ones count for no cap."""
        samples.several(3)
        store.bump_epoch()
        record = samples.record()
        assert store.insert(record, now=clock(), cap=Cap(1, "reject")) == Admitted()
        assert store.get(record.id, now=clock()).record == record
        assert listed(store, "alice") == [record.id]

    def test_epochs_count_up(self, store: Store) -> None:
        """Each epoch has a greater number, so a repeated one never revives anything."""
        epochs = [store.bump_epoch() for _ in range(3)]
        assert epochs == sorted(set(epochs))

    def test_purge_clears_up_after_an_epoch(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """The remains of older epochs go in bounded steps, and the living stay."""
        samples.several(5)
        store.bump_epoch()
        record = samples.stored()
        while (went := store.purge(now=clock(), limit=2)) > 0:
            assert went <= 2
        assert listed(store) == [record.id]
