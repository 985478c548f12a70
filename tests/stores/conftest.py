"""A SQLite store in a folder of its own."""

import pytest

from holdfast.stores.sqlite import SqliteStore
from holdfast.testing import FakeClock
from holdfast.testing.contracts.samples import Samples
from stores.words import WORDS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def open_store(path):
    """Opens stores on the same file, as other processes would, and closes them."""
    opened = []

    def open_handle(**options):
        opened.append(SqliteStore(path, **options))
        return opened[-1]

    yield open_handle
    for each in opened:
        each.close()


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def core(store):
    return store.core


@pytest.fixture
def table(core):
    """A table of our own in the same file."""
    core.migrate("words", WORDS)
    return core


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def samples(store, clock):
    return Samples(store, clock)
