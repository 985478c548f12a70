"""What is stored stays what it is: the codec, the salt, several handles, fork, odd text."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest

from holdfast.errors import RecordReadOnly
from holdfast.protocols import Take
from holdfast.record import changed
from holdfast.testing.contracts.samples import listed, said

if TYPE_CHECKING:
    from holdfast.protocols import Store
    from holdfast.record import Record
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contracts.samples import Samples


class OpenStore(Protocol):
    """Opens handles: the same name is the same storage, as another process would see it."""

    def __call__(self, name: str = "default") -> Store:
        """One more handle."""
        ...


class KeepingContract:
    """What a store owes to the bytes it was given."""

    def test_a_damaged_record_is_a_value(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """It is reported as corrupt, spends nothing, is on no page, and can be ended (§3)."""
        damaged = samples.stored(tokens_not_before="damaged")
        sound = samples.stored()
        reading = store.get(damaged.id, now=clock(), take=Take("key", 1, 1000))
        assert said(reading) == (None, None, True)
        assert listed(store, "alice") == [sound.id]
        assert sorted(store.delete_all("alice")) == sorted([damaged.id, sound.id])
        assert said(store.get(damaged.id, now=clock())) == (None, None, False)

    def test_damaged_records_end_no_page(self, store: Store, samples: Samples) -> None:
        """A page may be empty for them, and still leads on."""
        for _ in range(4):
            samples.stored(tokens_not_before="damaged")
        sound = samples.several(2)
        found: list[str] = []
        page = store.page("alice", limit=1)
        while True:
            found += [record.id for record in page.records]
            if page.after is None:
                break
            page = store.page("alice", after=page.after, limit=1)
        assert found == sorted(record.id for record in sound)

    def test_unknown_extensions_are_kept(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """A newer release's fields survive an older one's update byte for byte (§3)."""
        raw = (msgspec.Raw(msgspec.msgpack.encode({"dpop": 1})), msgspec.Raw(b"\xc0"))
        old = samples.stored(extensions=raw)
        read = store.get(old.id, now=clock()).record
        assert read is not None
        assert store.update(changed(read, version=1, data=b"{}"), expected=read.version)
        kept = store.get(old.id, now=clock()).record
        assert kept is not None
        assert [bytes(each) for each in kept.extensions] == [bytes(each) for each in raw]

    def test_a_newer_format_is_not_written(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """What this release does not understand in full it must not rewrite (§3)."""
        old = samples.stored()
        newer = changed(old, format=old.format + 1, version=1)
        with pytest.raises(RecordReadOnly):
            store.update(newer, expected=old.version)
        with pytest.raises(RecordReadOnly):
            store.insert(samples.record(format=old.format + 1), now=clock())
        assert listed(store) == [old.id]
        assert store.get(old.id, now=clock()).record == old

    @pytest.mark.parametrize(
        "subject", ["Ænne 🐉 \u202e", "a' OR 1=1 --", "x" * 1000, " ", "", "a\0b", "%", "a:b*?[]"]
    )
    def test_any_text_is_a_subject(
        self, store: Store, samples: Samples, clock: FakeClock, subject: str
    ) -> None:
        """Subjects are compared as they are: nothing is cut, folded or interpreted."""
        record = samples.stored(subject)
        for other in (subject + "x", subject.upper() + "!", subject[:-1] + "?"):
            samples.stored(other)
        assert store.get(record.id, now=clock()).record == record
        assert listed(store, subject) == [record.id]
        assert store.delete_all(subject) == (record.id,)

    def test_large_data_survives(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """More than any page or packet of a back end holds comes back whole."""
        data = msgspec.json.encode({"k": os.urandom(100_000).hex()})
        record = samples.stored(data=data, claims={})
        assert store.get(record.id, now=clock()).record == record

    def test_the_salt_is_made_once(self, store: Store, samples: Samples) -> None:
        """It has 32 bytes and outlives every session: subjects' tags derive from it (§5)."""
        salt = store.salt()
        samples.stored()
        store.bump_epoch()
        assert len(salt) == 32
        assert store.salt() == salt

    def test_handles_share_their_storage(
        self, open_store: OpenStore, samples: Samples, clock: FakeClock
    ) -> None:
        """What one process has been told is done, every other one sees."""
        record = samples.stored()
        one, other = open_store(), open_store()
        assert other.get(record.id, now=clock()).record == record
        assert other.update(changed(record, version=1), expected=record.version)
        assert not one.update(changed(record, version=2), expected=record.version)
        assert one.delete(record.id)
        assert other.get(record.id, now=clock()).record is None
        assert not other.touch(record.id, seen_at=clock(), expires_at=record.expires_at)
        assert one.take("key", limit=1, period=1000, now=clock()).allowed
        assert not other.take("key", limit=1, period=1000, now=clock()).allowed

    def test_handles_share_salt_and_epoch(
        self, open_store: OpenStore, samples: Samples, clock: FakeClock
    ) -> None:
        """The salt is the same in every process, and one process ends the sessions of all."""
        one, other = open_store(), open_store()
        assert one.salt() == other.salt()
        record = samples.stored()
        assert other.get(record.id, now=clock()).record == record
        epoch = one.bump_epoch()
        assert other.get(record.id, now=clock()).record is None
        assert other.bump_epoch() > epoch

    def test_storages_are_strangers(
        self, open_store: OpenStore, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """Two applications on one server share no record, quota, salt or epoch."""
        record = samples.stored()
        stranger = open_store("stranger")
        assert stranger.salt() != store.salt()
        assert stranger.get(record.id, now=clock()).record is None
        assert listed(stranger) == []
        store.take("key", limit=1, period=1000, now=clock())
        assert stranger.take("key", limit=1, period=1000, now=clock()).allowed
        stranger.bump_epoch()
        assert stranger.delete_all("alice") == ()
        assert store.get(record.id, now=clock()).record == record

    def test_after_fork_in_the_same_process(
        self, store: Store, samples: Samples, clock: FakeClock
    ) -> None:
        """To call it when nothing was forked does no harm."""
        record = samples.stored()
        store.after_fork()
        assert store.get(record.id, now=clock()).record == record
        assert store.delete(record.id)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_a_child_goes_on(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """After a fork both go on, the child with nothing of its parent's."""
        record = samples.stored()
        with warnings.catch_warnings():
            # A process with threads forks: what --preload servers do, and what is tested here.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = multiprocessing.get_context("fork").Process(
                target=_in_the_child, args=(store, record, clock())
            )
            child.start()
        child.join(30)
        assert child.exitcode == 0
        assert store.update(changed(record, version=1), expected=record.version) in {True, False}
        assert store.delete(samples.stored().id)

    def test_close_is_safe_to_repeat(self, store: Store, samples: Samples) -> None:
        """Whoever cleans up twice gets no error."""
        samples.stored()
        store.close()
        store.close()


def _in_the_child(store: Store, record: Record, now: int) -> None:
    store.after_fork()
    if store.get(record.id, now=now).record != record:
        raise SystemExit(3)
    if not store.update(changed(record, version=2), expected=record.version):
        raise SystemExit(4)
