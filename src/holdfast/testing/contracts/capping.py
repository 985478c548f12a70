"""A cap on the sessions of one subject holds under any concurrency (P10, R37)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import pytest

from holdfast.protocols import Admitted, Cap, Refused, Replacing
from holdfast.testing.contracts.samples import listed, together

if TYPE_CHECKING:
    from holdfast.protocols import Store
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contracts.samples import Samples


class CappingContract:
    """What a store owes when it admits and evicts."""

    def test_the_oldest_are_evicted(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """As many as necessary go, by `created_at`, and their ids are returned oldest first."""
        old = samples.several(4)
        new = samples.record()
        answer = store.insert(new, now=clock(), cap=Cap(2, "evict_oldest"))
        assert answer == Admitted(tuple(record.id for record in old[:3]))
        assert listed(store, "alice") == sorted([old[3].id, new.id])
        assert store.get(old[0].id, now=clock()).record is None

    def test_a_full_cap_rejects(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """With "reject" the new record does not come in and the others stay."""
        old = samples.several(2)
        new = samples.record()
        assert store.insert(new, now=clock(), cap=Cap(2, "reject")) == Refused("cap")
        assert store.get(new.id, now=clock()).record is None
        assert listed(store, "alice") == sorted(record.id for record in old)

    def test_below_the_cap_nothing_happens(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """The last free place is given without evicting anybody."""
        samples.several(2)
        for cap in (Cap(3, "reject"), Cap(3, "evict_oldest")):
            record = samples.record()
            assert store.insert(record, now=clock(), cap=cap) == Admitted()
            assert store.delete(record.id)

    def test_others_do_not_count(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """Neither other subjects' sessions nor anonymous ones count or are evicted."""
        samples.several(3, "bob")
        samples.several(3, None)
        assert store.insert(samples.record(), now=clock(), cap=Cap(1, "reject")) == Admitted()
        anonymous = samples.record(None)
        assert store.insert(anonymous, now=clock(), cap=Cap(1, "evict_oldest")) == Admitted()

    def test_expired_records_do_not_count(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Who left a session to expire is not kept out by it."""
        samples.stored(expires_at=clock())
        assert store.insert(samples.record(), now=clock(), cap=Cap(1, "reject")) == Admitted()

    def test_a_replaced_record_does_not_count(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Signing in again on the same device needs one place, not two (§4)."""
        first, second = samples.several(2)
        new = samples.record()
        replacing = Replacing(first.id, first.version)
        answer = store.insert(new, now=clock(), cap=Cap(2, "reject"), replacing=replacing)
        assert answer == Admitted()
        assert listed(store, "alice") == sorted([second.id, new.id])

    def test_a_replaced_record_is_not_reported_as_evicted(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Only others that had to go are; a replaced record of somebody else makes no place."""
        first, second = samples.several(2)
        anonymous = samples.stored(None)
        replacing = Replacing(anonymous.id, anonymous.version)
        new = samples.record()
        answer = store.insert(new, now=clock(), cap=Cap(2, "evict_oldest"), replacing=replacing)
        assert answer == Admitted((first.id,))
        assert listed(store) == sorted([second.id, new.id])

    def test_a_refused_insert_replaces_nothing(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """If the cap keeps the new record out, the one it should replace stays."""
        samples.stored("alice")
        anonymous = samples.stored(None)
        replacing = Replacing(anonymous.id, anonymous.version)
        new = samples.record("alice")
        answer = store.insert(new, now=clock(), cap=Cap(1, "reject"), replacing=replacing)
        assert answer == Refused("cap")
        assert store.get(anonymous.id, now=clock()).record == anonymous

    @pytest.mark.parametrize("over", ["evict_oldest", "reject"])
    def test_a_cap_of_none_admits_nobody(
        self,
        store: Store,
        samples: Samples,
        clock: FakeClock,
        over: Literal["evict_oldest", "reject"],
    ) -> None:
        """A limit of 0 cannot be kept by evicting, so it refuses and evicts nobody."""
        record = samples.stored()
        assert store.insert(samples.record(), now=clock(), cap=Cap(0, over)) == Refused("cap")
        assert listed(store, "alice") == [record.id]

    @pytest.mark.parametrize("over", ["evict_oldest", "reject"])
    def test_parallel_inserts_never_exceed_the_cap(
        self,
        store: Store,
        samples: Samples,
        clock: FakeClock,
        over: Literal["evict_oldest", "reject"],
    ) -> None:
        """50 sign-ins at the same moment leave exactly as many sessions as the cap (P10)."""
        new = [samples.record() for _ in range(50)]
        cap = Cap(5, over)
        answers = together([partial(store.insert, each, now=clock(), cap=cap) for each in new])
        admitted = [answer for answer in answers if isinstance(answer, Admitted)]
        evicted = {each for answer in admitted for each in answer.evicted}
        left = listed(store, "alice")
        assert len(left) == 5
        assert not evicted.intersection(left)
        assert len(admitted) == 5 + len(evicted)
