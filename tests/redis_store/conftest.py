"""Redis servers, and stores on them."""

import hashlib
import threading
import time

import pytest

import redis_servers
from holdfast.stores import open_both
from holdfast.stores.redis import scripts
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.testing import BlockingStore
from holdfast.testing.contracts.samples import Samples
from redis_impostor import Impostor


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """No test may leave a line open: its thread would go on to say that the server is gone."""
    before = set(threading.enumerate())
    result = yield
    left = [each for each in threading.enumerate() if each.name == "holdfast-feed"]
    if any(each in before for each in left):
        pytest.fail(f"{item.nodeid} leaves a store open that hears of changes")
    return result


@pytest.fixture(scope="session")
def session_servers(tmp_path_factory):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path_factory.mktemp("redis"))
    yield servers
    servers.close()


@pytest.fixture
def servers(tmp_path):
    """Servers of one test alone, which may come to harm."""
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path / "redis")
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def single(session_servers):
    """A server for all tests that do it no harm."""
    return session_servers.start()


@pytest.fixture(scope="session")
def cluster(session_servers):
    """Three primaries for all tests that do them no harm."""
    return session_servers.cluster()


@pytest.fixture
def impostor():
    """Start one; all end with the test."""
    started = []

    def start(*answer):
        started.append(Impostor(*answer))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(params=["threads", "loop"])
def face(request):
    """Which face of the store is tested."""
    return request.param


@pytest.fixture
def opening():
    """Opens one face of the store of a URL, blocking in both cases, and closes it."""
    opened = []

    def open_face(url, face="threads", timeout=5.0):
        both = open_both(url, timeout=timeout)
        store = both.blocking if face == "threads" else BlockingStore(both.asynchronous)
        opened.append(store)
        return store

    yield open_face
    for store in opened:
        store.close()


class ServerClock:
    """The time of the servers, which `advance` moves on for the scripts alone."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.ahead = 0

    def __call__(self):
        return time.time_ns() // 1_000_000 + self.ahead

    def advance(self, ms):
        self.ahead += ms
        for node in self.nodes:
            with node.client.pipeline(transaction=False) as pipe:
                for tag in ALL_TAGS:
                    pipe.set(f"ahead{{{tag}}}", self.ahead)
                pipe.execute(raise_on_error=False)
        return self()


@pytest.fixture
def moved_scripts(monkeypatch):
    """Scripts whose time a `ServerClock` moves; nothing else of them is changed."""
    plain = b"redis.call('TIME')"
    moved = b"""(function()
      local time = redis.call('TIME')
      local ahead = tonumber(redis.call('GET', 'ahead' .. KEYS[1]:match('{..}')) or 0)
      return {time[1], time[2] + ahead * 1000}
    end)()"""
    for name, script in vars(scripts).copy().items():
        if isinstance(script, scripts.Script) and plain in script.text:
            text = script.text.replace(plain, moved)
            sha = hashlib.sha1(text).hexdigest().encode()
            monkeypatch.setattr(scripts, name, script._replace(text=text, sha=sha))


@pytest.fixture
def server_clock():
    return ServerClock


@pytest.fixture
def clock(single, moved_scripts):
    return ServerClock([single])


@pytest.fixture
def store(single, moved_scripts, opening):
    """A store on the shared server, which is empty."""
    single.client.flushall()
    return opening(single.url)


@pytest.fixture
def samples(store, clock):
    return Samples(store, clock)
