"""Durable means on the disk before it is acknowledged (§5, P12, P13)."""

import sqlite3

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.record import changed
from stores.watched_disk import watched_disk


@pytest.fixture
def disk():
    with watched_disk() as disk:
        yield disk


@pytest.fixture
def opened(disk, store, samples):
    """A store whose log has been opened, and begun by a record, on the watched disk."""
    return store, samples.stored()


def test_a_durable_write_syncs_the_disk_once(disk, opened):
    """The log is synced before the call returns, and only once."""
    store, record = opened
    before = disk.syncs
    assert store.delete(record.id)
    assert disk.syncs == before + 1


def test_an_ordinary_write_does_not_sync(disk, opened):
    """It survives the process, not a power cut, and costs a tenth."""
    store, record = opened
    before = disk.syncs
    assert store.update(changed(record, version=1), expected=record.version)
    assert store.touch(record.id, seen_at=record.seen_at + 1, expires_at=record.expires_at)
    assert disk.syncs == before


@pytest.mark.parametrize(
    "revoke",
    [
        lambda store, record: store.delete("gone"),
        lambda store, record: store.delete(record.id, expected=record.version ^ 1),
        lambda store, record: store.delete_all("nobody"),
        lambda store, record: store.update(record, expected=record.version ^ 1, durable=True),
    ],
    ids=["gone", "changed", "nobody", "stale"],
)
def test_a_revocation_that_finds_nothing_syncs_too(disk, opened, revoke):
    """A retry proves again: what an earlier, unproved call removed is on disk when it returns."""
    store, record = opened
    assert store.delete(record.id, durable=False)
    before = disk.syncs
    revoke(store, record)
    assert disk.syncs == before + 1


def test_an_epoch_is_synced(disk, opened):
    """The end of everybody's sessions is durable."""
    store, _ = opened
    before = disk.syncs
    store.bump_epoch()
    assert disk.syncs == before + 1


def test_a_failed_sync_is_no_acknowledgement(disk, opened, clock):
    """The revocation is reported as not done, and nothing that was acknowledged is lost (P13)."""
    store, record = opened
    disk.broken = True
    with pytest.raises(StoreUnavailable) as error:
        store.delete(record.id)
    assert isinstance(error.value.__cause__, sqlite3.OperationalError)
    disk.broken = False
    store.delete(record.id)
    assert store.get(record.id, now=clock()).record is None


def test_the_disk_may_come_back(disk, opened, samples, clock):
    """After a failed sync the connection is opened anew, and writes go on by themselves."""
    store, record = opened
    disk.broken = True
    with pytest.raises(StoreUnavailable):
        store.bump_epoch()
    disk.broken = False
    assert store.get(record.id, now=clock()).record == record
    new = samples.stored()
    assert store.get(new.id, now=clock()).record == new
