"""Quotas are exact, over all threads and processes (P59, R148)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdfast.protocols import Take
from holdfast.testing.contracts.samples import said, together

if TYPE_CHECKING:
    from holdfast.protocols import Store
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contracts.samples import Samples

HOUR = 3_600_000


class SpendingContract:
    """What a store owes to who counts."""

    def test_the_full_burst_is_allowed_and_no_more(self, store: Store, clock: FakeClock) -> None:
        """From rest, exactly `limit` are allowed, and the answer counts down."""
        answers = [store.take("key", limit=3, period=HOUR, now=clock()) for _ in range(5)]
        assert [answer.allowed for answer in answers] == [True, True, True, False, False]
        assert [answer.remaining for answer in answers] == [2, 1, 0, 0, 0]
        assert [answer.retry_after for answer in answers[:3]] == [0, 0, 0]
        assert 0 < answers[3].retry_after <= HOUR * 17 // 16

    def test_retry_after_is_kept(self, store: Store, clock: FakeClock) -> None:
        """After the time that was named, one more is allowed."""
        for _ in range(2):
            store.take("key", limit=2, period=1600, now=clock())
        refused = store.take("key", limit=2, period=1600, now=clock())
        assert not refused.allowed
        later = clock.advance(refused.retry_after)
        assert store.take("key", limit=2, period=1600, now=later).allowed

    def test_keys_are_strangers(self, store: Store, clock: FakeClock) -> None:
        """What one key spends no other feels; any text is a key."""
        keys = ["a", "A", "a ", "ä", "a:b", "", "x" * 500]
        for key in keys:
            assert store.take(key, limit=1, period=HOUR, now=clock()).allowed
        assert not any(store.take(key, limit=1, period=HOUR, now=clock()).allowed for key in keys)

    def test_settings_may_change(self, store: Store, clock: FakeClock) -> None:
        """Another limit goes on with what was spent, another period is no error (P59)."""
        for _ in range(2):
            store.take("key", limit=2, period=HOUR, now=clock())
        assert store.take("key", limit=3, period=HOUR, now=clock()).allowed
        assert not store.take("key", limit=2, period=HOUR, now=clock()).allowed
        assert store.take("key", limit=2, period=2 * HOUR, now=clock()).allowed

    def test_a_limit_of_none_allows_nothing(self, store: Store, clock: FakeClock) -> None:
        """A limit of 0 is a refusal, not an error, and names a time to come back."""
        taken = store.take("key", limit=0, period=HOUR, now=clock())
        assert not taken.allowed
        assert taken.retry_after > 0

    def test_parallel_takes_never_exceed(self, store: Store, clock: FakeClock) -> None:
        """Of 24 at the same moment, exactly as many are allowed as there are left."""
        call = partial(store.take, "key", limit=10, period=HOUR, now=clock())
        assert sum(answer.allowed for answer in together([call] * 24)) == 10

    def test_take_rides_on_get(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """The record comes with the answer of the quota, and the last get is refused."""
        record = samples.stored()
        take = Take("key", 2, HOUR)
        readings = [store.get(record.id, now=clock(), take=take) for _ in range(3)]
        assert [reading.record for reading in readings] == [record] * 3
        answers = [reading.taken for reading in readings]
        assert [answer and answer.allowed for answer in answers] == [True, True, False]
        assert store.get(record.id, now=clock()).taken is None

    def test_a_proof_that_fits_spends(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Who knows the secret spends the quota."""
        record = samples.stored()
        take = Take("key", 1, HOUR, record.secret_hash)
        taken = store.get(record.id, now=clock(), take=take).taken
        assert taken is not None
        assert taken.allowed

    def test_a_wrong_proof_spends_nothing(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Who knows only the id gets the record's answer but cannot use up the quota (R148)."""
        record = samples.stored()
        for proof in (b"\0" * 32, b"", record.secret_hash[:-1]):
            reading = store.get(record.id, now=clock(), take=Take("key", 1, HOUR, proof))
            assert said(reading) == (record, None, False)
        assert store.take("key", limit=1, period=HOUR, now=clock()).allowed

    def test_a_missing_record_spends_nothing(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Neither an unknown nor a deleted nor an ended session spends."""
        deleted, ended = samples.several(2)
        assert store.delete(deleted.id)
        store.bump_epoch()
        for record in (samples.record(), deleted, ended):
            reading = store.get(record.id, now=clock(), take=Take("key", 1, HOUR))
            assert said(reading) == (None, None, False)
        assert store.take("key", limit=1, period=HOUR, now=clock()).allowed

    def test_parallel_gets_never_exceed(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Requests that arrive together get exactly what is left, no more and no less."""
        record = samples.stored()
        take = Take("key", 5, HOUR, record.secret_hash)
        readings = together([partial(store.get, record.id, now=clock(), take=take)] * 12)
        assert sum(bool(r.taken and r.taken.allowed) for r in readings) == 5
