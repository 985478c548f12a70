"""What watchers are told: of every change, by whichever process, and of nothing too late."""

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest

from holdfast.protocols import Replacing, Told
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.stores.changes import MOST_KEPT, Hub
from holdfast.stores.feed import NEVER
from holdfast.stores.sqlite import changes as sqlite_changes
from holdfast.testing import FakeClock
from holdfast.testing.contracts.samples import Samples

UNIX = FakeClock()


class Place:
    """A store, another process's view of it where there is such a thing, and a watcher."""

    def __init__(self, url):
        self.opened = open_both(url)
        self.elsewhere = self.opened.blocking if url == "memory://" else open_both(url).blocking
        self.samples = Samples(self.elsewhere, UNIX)
        self.watcher = self.opened.changes.watch()

    def told(self):
        return asyncio.run(self.watcher.take())

    def settle(self):
        """Forget what came so far."""
        self.told()
        self.told()

    def close(self):
        self.opened.blocking.close()
        self.elsewhere.close()


@pytest.fixture(params=["memory", "sqlite"])
def place(request, tmp_path):
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'a.db'}"
    place = Place(url)
    place.settle()
    yield place
    place.close()


def rewritten(record):
    return changed(record, version=record.version + 1)


CHANGES = {
    "update": lambda store, record: store.update(rewritten(record), expected=record.version),
    "delete": lambda store, record: store.delete(record.id),
    "delete_all": lambda store, record: store.delete_all(record.subject),
    "purge": lambda store, record: store.purge(now=record.expires_at),
}


@pytest.mark.parametrize("verb", CHANGES)
def test_every_change_is_told_once(place, verb):
    """By its id, as soon as it was acknowledged, whichever process made it."""
    record = place.samples.stored(subject="ada")
    place.settle()
    CHANGES[verb](place.elsewhere, record)
    told = place.told()
    assert (told.ids, told.everything) == ((record.id,), False)
    assert place.told().ids == ()


def test_a_replaced_record_is_told(place):
    """A sign-in that takes the place of another session ends that one."""
    record = place.samples.stored(subject="ada")
    place.settle()
    replacing = Replacing(record.id, record.version)
    place.elsewhere.insert(place.samples.record("ada"), now=UNIX(), replacing=replacing)
    assert place.told().ids == (record.id,)


def test_activity_is_no_change(place):
    """Nothing is told of touches and of new records."""
    record = place.samples.stored(subject="ada")
    place.elsewhere.touch(record.id, seen_at=record.seen_at + 1, expires_at=record.expires_at)
    told = place.told()
    assert (told.ids, told.everything) == ((), False)


def test_the_end_of_everyone_is_told(place):
    """Without a list of them."""
    place.elsewhere.bump_epoch()
    assert place.told().everything


def test_what_is_told_is_vouched_for(place):
    """A moment before the question was answered, and never an earlier one than the last."""
    first, second = place.told(), place.told()
    assert NEVER < first.heard_at <= second.heard_at


# What a watcher of the file owes beyond


@pytest.fixture
def file(tmp_path):
    place = Place(f"sqlite:///{tmp_path / 'a.db'}")
    yield place
    place.close()


def rows_of(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as conn:
        found = conn.execute("SELECT count(*) FROM sqlite_master WHERE name = 'changes'").fetchone()
        return conn.execute("SELECT count(*) FROM changes").fetchone()[0] if found[0] else None


def stepped(store, record, times):
    for _ in range(times):
        newer = rewritten(record)
        store.update(newer, expected=record.version)
        record = newer
    return record


def test_nothing_is_made_before_somebody_watches(file, tmp_path):
    """Who has no stream pays nothing: there is no table and no trigger."""
    file.samples.stored(subject="ada")
    assert rows_of(tmp_path) is None
    file.told()
    assert rows_of(tmp_path) is not None


def test_the_first_answer_only_begins(file):
    """What came before is not known, and nothing is vouched for."""
    assert file.told() == Told((), everything=True, heard_at=NEVER)


def test_changes_are_not_written_for_ever(file, tmp_path, monkeypatch):
    """After the last watcher has gone, a bounded number of rows; one that comes back starts anew."""
    monkeypatch.setattr(sqlite_changes, "KEPT", 10)
    file.settle()
    record = stepped(file.elsewhere, file.samples.stored(subject="ada"), 25)
    assert rows_of(tmp_path) <= 12
    told = file.told()
    assert (told.everything, told.heard_at) == (True, NEVER)
    CHANGES["delete"](file.elsewhere, record)
    assert file.told().ids == (record.id,)


def test_what_another_watcher_moved_on_is_not_taken_for_complete(file, monkeypatch):
    """The first watcher that comes back has rows written again; the second has still missed some."""
    monkeypatch.setattr(sqlite_changes, "KEPT", 10)
    file.settle()
    other = file.opened.changes.watch()
    for _ in "12":
        asyncio.run(other.take())
    file.settle()
    stepped(file.elsewhere, file.samples.stored(subject="ada"), 25)
    asyncio.run(other.take())
    assert file.told().everything


def test_old_rows_are_cut_off(file, tmp_path, monkeypatch):
    """However long somebody watches."""
    monkeypatch.setattr(sqlite_changes, "KEPT", 10)
    file.settle()
    record = file.samples.stored(subject="ada")
    for _ in range(20):
        record = stepped(file.elsewhere, record, 3)
        assert not file.told().everything
    assert rows_of(tmp_path) <= 25


def test_a_file_in_the_place_of_another_is_not_read_on(file):
    """The row that was seen last is not there: everything may have changed."""
    file.settle()
    file.opened.blocking.core.write(lambda conn: conn.execute("UPDATE changes SET id = '!other'"))
    assert file.told() == Told((), everything=True, heard_at=NEVER)


def test_a_file_that_cannot_be_read_is_not_vouched_for(file):
    """And afterwards watching begins anew."""
    file.settle()
    file.opened.blocking.core.write(lambda conn: conn.execute("DROP TABLE changes"))
    assert file.told() == Told((), everything=True, heard_at=NEVER)


# What a watcher in memory owes beyond


def test_a_watcher_that_does_not_ask_stays_small():
    """Beyond a bound it is told that everything may have changed."""
    place = Place("memory://")
    place.settle()
    for number in range(MOST_KEPT + 1):
        place.opened.changes.changed(str(number))
    told = place.told()
    assert (told.ids, told.everything) == ((), True)


def test_a_watcher_that_was_closed_is_told_nothing():
    """And nothing is kept for it."""
    place = Place("memory://")
    place.watcher.close()
    place.opened.changes.changed("x")
    assert place.told().ids == ()


def test_what_comes_while_the_moment_is_looked_up_is_told():
    """The moment is read first: a change that it covers has been told by then, and is handed out."""
    hub = Hub()
    watcher = hub.watch()
    moments = iter(range(1, 9))

    def heard():
        hub.changed("x")
        return float(next(moments)), ()

    hub.heard = heard
    assert asyncio.run(watcher.take()) == Told(("x",), heard_at=1.0)


def test_many_threads_lose_nothing():
    """Every id that was told before the last question comes out, once."""
    place = Place("memory://")
    names = [[f"{thread}-{number}" for number in range(500)] for thread in range(4)]
    threads = [
        threading.Thread(target=lambda mine=mine: [*map(place.opened.changes.changed, mine)])
        for mine in names
    ]
    for each in threads:
        each.start()
    found = [place.told().ids for _ in range(20)]
    for each in threads:
        each.join()
    found.append(place.told().ids)
    ids = [id for each in found for id in each]
    assert sorted(ids) == sorted(id for each in names for id in each)
