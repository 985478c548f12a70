"""A URL names a store."""

import asyncio

import pytest

from holdfast.errors import ConfigurationError
from holdfast.stores import open_async, open_store
from holdfast.stores.memory import AsyncMemoryStore, MemoryStore
from holdfast.stores.sqlite import AsyncSqliteStore, SqliteStore


def test_memory():
    """memory:// is a store of its own each time."""
    assert isinstance(open_store("memory://"), MemoryStore)
    assert isinstance(open_async("memory://"), AsyncMemoryStore)
    assert open_store("memory://").salt() != open_store("memory://").salt()


@pytest.mark.parametrize("scheme", ["sqlite", "SQLite"])
def test_sqlite_absolute(tmp_path, scheme):
    """Four slashes are an absolute path; per cent escapes are read."""
    store = open_store(f"{scheme}:///{tmp_path}/my%20sessions.db")
    assert isinstance(store, SqliteStore)
    store.salt()
    store.close()
    assert (tmp_path / "my sessions.db").exists()


def test_sqlite_relative(tmp_path, monkeypatch):
    """Three slashes are a path from the working directory."""
    monkeypatch.chdir(tmp_path)
    store = open_async("sqlite:///sessions.db")
    assert isinstance(store, AsyncSqliteStore)
    asyncio.run(store.salt())
    asyncio.run(store.close())
    assert (tmp_path / "sessions.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sessions.db",
        "mysql://user:hunter2@host/db",
        "memory://name",
        "sqlite://",
        "sqlite:///",
        "sqlite://sessions.db",
        "sqlite:sessions.db",
        "sqlite:///:memory:",
        "sqlite:///sessions.db?mode=ro",
        "sqlite:///sessions.db#hunter2",
    ],
)
@pytest.mark.parametrize("opening", [open_store, open_async])
def test_a_wrong_url_is_an_error_at_the_start(url, opening):
    """The message names the setting and valid values, and never repeats what may be a password."""
    with pytest.raises(ConfigurationError) as error:
        opening(url)
    assert str(error.value).startswith("store: ")
    assert "hunter2" not in str(error.value)
