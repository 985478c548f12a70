"""A name that nobody looks up holds no call up beyond its limit, on every store behind a network."""

import contextlib
import socket
import threading
import time

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.stores import lookup, open_both
from holdfast.testing import BlockingStore

LIMIT = 0.5


@pytest.fixture
def silence(monkeypatch):
    """Nobody answers for names that end in `.invalid` until the test is over."""
    over = threading.Event()
    look_up = socket.getaddrinfo

    def asked(host, *args, **options):
        if str(host).endswith(".invalid"):
            over.wait(30)
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    yield
    over.set()


@pytest.mark.parametrize("face", ["threads", "coroutines"])
@pytest.mark.parametrize(
    "url",
    [
        "redis://nobody.invalid",
        "redis+sentinel://nobody.invalid/main",
        "redis+cluster://nobody.invalid",
        "postgresql://app@nobody.invalid/app",
    ],
)
def test_the_time_limit_holds(silence, url, face):
    """503, with whichever face."""
    started = time.monotonic()
    both = open_both(url, timeout=LIMIT)
    store = both.blocking if face == "threads" else BlockingStore(both.asynchronous)
    with pytest.raises(StoreUnavailable):
        store.salt()
    assert time.monotonic() - started < 6 * LIMIT
    with contextlib.suppress(StoreUnavailable):
        both.blocking.close()


@pytest.mark.parametrize("url", ["redis://{}", "postgresql://app@{}/app"])
@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70])
def test_a_host_that_is_not_there(url, host):
    """An outage, also where the name could be nobody's."""
    both = open_both(url.format(host), timeout=5)
    with pytest.raises(StoreUnavailable, match=host):
        both.blocking.salt()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%lo", "/run/postgresql", "@abstract"])
def test_an_address_is_not_looked_up(host, monkeypatch):
    """It costs no thread."""
    monkeypatch.setattr(lookup, "Thread", None)
    lookup.require_found(host, 0)


@pytest.mark.parametrize("url", ["redis://localhost:1", "postgresql://app@localhost:1/app"])
def test_a_process_that_may_have_no_more_threads(monkeypatch, url):
    """An outage as any other, and no mistake of the application's."""

    class Unstartable(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(lookup, "Thread", Unstartable)
    with pytest.raises(StoreUnavailable, match="localhost"):
        open_both(url, timeout=LIMIT).blocking.salt()
