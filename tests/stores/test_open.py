"""A URL names a store."""

import asyncio
import math
from datetime import timedelta

import pytest

from holdfast.errors import ConfigurationError
from holdfast.stores import database_file, open_async, open_store
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


PLACES = [
    "memory://",
    "sqlite:///{folder}/a.db",
    "redis://127.0.0.1:1",
    "postgresql://u@127.0.0.1:1/d",
]


@pytest.mark.parametrize(
    "timeout",
    [
        math.nan,
        math.inf,
        -math.inf,
        -1,
        0,
        0.0001,
        3601,
        2**70,
        True,
        "5",
        None,
        timedelta(seconds=5),
    ],
)
@pytest.mark.parametrize("url", PLACES)
def test_a_time_limit_is_a_number_of_seconds(tmp_path, url, timeout):
    """Each store failed at another of these, some of them in the middle of a request."""
    with pytest.raises(ConfigurationError, match=r"^timeout: .*for example 5\.0$"):
        open_store(url.format(folder=tmp_path), timeout=timeout)


@pytest.mark.parametrize("store", [SqliteStore, AsyncSqliteStore])
def test_of_a_store_that_is_opened_by_its_class_as_well(tmp_path, store):
    with pytest.raises(ConfigurationError, match=r"^timeout: "):
        store(tmp_path / "a.db", timeout=math.inf)


@pytest.mark.parametrize("hidden", ["\0", "%00", "\n", "\x7f", "\ud800"])
@pytest.mark.parametrize(
    "url",
    [
        "memory://{}",
        "sqlite:///a{}.db",
        "redis://:hunter2{}@host",
        "redis://ho{}st/0",
        "redis://host?prefix=a{}",
        "rediss://host?tls_ca={}",
        "redis+sentinel://host/service{}/0",
        "redis+sentinel://host/service?sentinel_password=a{}",
        "postgresql://u:hunter2{}@host/d",
        "postgresql://u@host/d{}",
        "postgresql://u@host/d?schema=a{}",
        "postgresql://u@host/d?application_name=a{}",
        "postgresql://u@host/d?listen_url={}",
    ],
)
def test_nothing_is_hidden_in_a_url(url, hidden):
    """One parser ends at a zero byte, another leaves line ends out, a third raises ValueError."""
    for each in (open_store, database_file):
        with pytest.raises(ConfigurationError, match=r"^store: ") as error:
            each(url.format(hidden))
        assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("number", ["-1", "nan", "inf", "1.5", "x", "99999", "9" * 5000, "\u00b2"])
@pytest.mark.parametrize(
    "url",
    [
        "redis://host:{}",
        "redis://host/{}",
        "redis://host?replicas={}",
        "redis+sentinel://host/service/{}",
        "redis+cluster://host:{}",
        "postgresql://u@host:{}/d",
        "postgresql://u@host/d?pool_size={}",
    ],
)
def test_the_numbers_in_a_url_are_those_that_can_be(url, number):
    with pytest.raises(ConfigurationError, match=r"^store: "):
        open_store(url.format(number))


@pytest.mark.parametrize(
    "url", ["redis://host:0", "postgresql://u@host:0/d", "postgresql://u@host/d?pool_size=0"]
)
def test_and_zero_is_none_of_them(url):
    with pytest.raises(ConfigurationError, match=r"^store: "):
        open_store(url)
