"""A single server comes to harm: 503 within the time limit, and service resumes by itself."""

import socket
import threading
import time

import pytest

from forking import require_both_to_read
from holdfast.errors import StoreUnavailable
from holdfast.faces import run
from holdfast.protocols import Take
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.stores.redis import wire
from holdfast.stores.redis.calls import Call
from holdfast.stores.redis.client import Client
from holdfast.stores.redis.core import Core
from holdfast.stores.redis.errors import Lost
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.stores.redis.target import target
from holdfast.testing import BlockingStore
from holdfast.testing.contracts.samples import Samples, listed
from redis_waiting import resumed


@pytest.fixture
def server(servers):
    return servers.start("appendonly yes", "appendfsync always")


@pytest.fixture
def clock():
    return lambda: int(time.time() * 1000)


@pytest.fixture
def store(server, opening, face):
    return opening(server.url, face, timeout=1.0)


def test_a_server_that_is_killed_comes_back(server, store, samples, clock):
    """Every verb is refused at once, none is lost that was acknowledged, and nobody has to restart."""
    kept, ended = samples.several(2)
    assert store.delete(ended.id)
    server.kill()
    started = time.monotonic()
    for verb in (
        lambda: store.get(kept.id, now=clock()),
        lambda: store.delete(kept.id),
        lambda: store.page("alice"),
        store.page,
        samples.stored,
        store.bump_epoch,
    ):
        with pytest.raises(StoreUnavailable):
            verb()
    assert time.monotonic() - started < 2
    server.start()
    assert resumed(lambda: store.get(kept.id, now=clock())).record == kept
    assert store.get(ended.id, now=clock()).record is None
    assert store.delete(kept.id)


def test_an_outage_names_the_server_and_no_password(server, opening, face):
    """Whoever reads the log of one of many processes knows where to look."""
    url = server.url.replace("//", "//:hunter2@")
    server.kill()
    store = opening(url, face)
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{server.port}") as error:
        store.salt()
    assert "hunter2" not in str(error.value)


def test_a_server_that_restarts_between_two_requests_is_not_felt(server, store, samples, clock):
    """A connection that the server has closed is not used again."""
    record = samples.stored()
    server.kill()
    server.start()
    assert store.get(record.id, now=clock()).record == record
    assert store.delete(record.id)


def test_a_connection_that_ended_this_moment(servers, clock, opening, monkeypatch):
    """It is not looked at before it is used again: a reading is asked again, of a write nobody knows."""
    monkeypatch.setattr(wire, "_MOMENT_S", 60)
    server = servers.start()
    store = opening(server.url)
    record = Samples(store, clock).stored()
    quota = {"limit": 9, "period": 60_000, "now": clock()}
    for left in (8, 7, 6):
        assert store.get(record.id, now=clock()).record == record
        server.client.client_kill_filter(_type="normal", skipme=True)
        assert store.get(record.id, now=clock()).record == record
        server.client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(StoreUnavailable):
            store.take("key", **quota)
        assert store.take("key", **quota).remaining == left


def test_a_server_that_stands_still(server, store, samples, clock):
    """The answer comes within the time limit, and what was sent meanwhile does no harm later."""
    record, other = samples.several(2)
    server.pause()
    for verb in (
        lambda: store.get(record.id, now=clock()),
        lambda: store.delete(other.id),
        samples.stored,
    ):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            verb()
        assert time.monotonic() - started < 1.5
    server.resume()
    assert resumed(lambda: store.get(record.id, now=clock())).record == record
    assert store.delete(other.id) in {True, False}
    assert store.get(other.id, now=clock()).record is None


class Proxy:
    """Passes bytes on to a server, until it cuts the connections at the worst moment."""

    def __init__(self, port):
        self.port = port
        self.cutting, self.once = threading.Event(), False
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _pass(self, source, drain):
        """Requests always get through."""
        with source, drain:
            while chunk := _received(source):
                drain.sendall(chunk)

    def _answer(self, source, drain):
        """Answers do not, once the connections are being cut: the command was carried out."""
        while chunk := _received(source):
            if self.cutting.is_set():
                if self.once:
                    self.cutting.clear()
                drain.shutdown(socket.SHUT_RDWR)
                return
            drain.sendall(chunk)


def _received(source):
    try:
        return source.recv(65536)
    except OSError:
        return b""


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.listener.close()


def test_a_connection_cut_in_the_middle_of_a_command(proxy, opening, clock, face):
    """Nobody knows whether it was carried out, so it is refused, and never done twice."""
    store = opening(proxy.url, face, timeout=1.0)
    samples = Samples(store, clock)
    record, other, third = samples.several(3)

    def cut(verb):
        bob = samples.stored("bob")  # all connections stand, all scripts are known
        assert store.update(changed(bob, version=1), expected=bob.version)
        assert store.take("bob", limit=9, period=3_600_000, now=clock()).allowed
        assert store.delete(bob.id)
        proxy.cutting.set()
        with pytest.raises(StoreUnavailable):
            verb()
        proxy.cutting.clear()
        assert resumed(lambda: store.get(record.id, now=clock())).record == record

    cut(lambda: store.get(record.id, now=clock()))
    cut(lambda: store.delete(other.id))
    cut(lambda: store.take("key", limit=2, period=3_600_000, now=clock()))
    cut(lambda: store.update(changed(third, version=1), expected=third.version))
    assert store.get(other.id, now=clock()).record is None
    assert store.take("key", limit=2, period=3_600_000, now=clock()).remaining == 0
    assert not store.update(changed(third, version=2), expected=third.version)
    assert sorted(store.delete_all("alice")) == sorted([record.id, third.id])
    assert listed(store) == []


def test_what_an_answer_is_lost_of_is_not_sent_again(proxy, opening, clock, face):
    """Though the server is there again at once: a quota would be spent twice, and a change be a conflict."""
    store = opening(proxy.url, face, timeout=1.0)
    record = Samples(store, clock).stored()
    take = Take(f"s/{record.id}/rate", 5, 3_600_000, None)
    assert store.get(record.id, now=clock(), take=take).taken.remaining == 4
    assert store.update(changed(record, version=1), expected=record.version)
    proxy.once = True
    for verb in (
        lambda: store.get(record.id, now=clock(), take=take),
        lambda: store.update(changed(record, version=2), expected=1),
    ):
        resumed(store.salt)
        proxy.cutting.set()
        with pytest.raises(StoreUnavailable):
            verb()
        assert not proxy.cutting.is_set()
    assert resumed(lambda: store.get(record.id, now=clock())).record
    found = store.get(record.id, now=clock(), take=take)
    assert (found.taken.remaining, found.record.version) == (2, 2)


def test_a_loss_is_told(server, samples, clock, opening):
    """Who asserts revocations again learns of each loss before anything is answered after it."""
    opened = open_both(server.url, timeout=1.0)
    losses = []
    opened.remote.on_loss(lambda: losses.append(1))
    store = opened.blocking
    record = samples.stored()
    assert store.get(record.id, now=clock()).record == record
    assert not losses
    server.kill()
    server.start()
    assert store.get(record.id, now=clock()).record == record
    assert losses
    store.close()


def test_a_lost_salt_is_put_back(servers, opening, clock):
    """A server that came back empty gets the salt of those who remember it, so that lists are found."""
    server = servers.start()
    store, other = opening(server.url), opening(server.url)
    salt = store.salt()
    server.kill()
    server.start()
    samples = Samples(store, clock)
    assert resumed(store.salt) == salt
    record = samples.stored()
    assert other.delete_all("alice") == (record.id,)


def test_children_have_connections_of_their_own(server, opening, clock, face):
    """After a fork parent and child use the store at the same time, and nobody reads the other's answers."""
    both = open_both(server.url, timeout=5.0)
    store = both.blocking if face == "threads" else BlockingStore(both.asynchronous)
    samples = Samples(store, clock)
    records = samples.several(20)
    require_both_to_read(store, records, clock)
    store.close()


def test_connections_are_few(server, opening, clock):
    """On an event loop all tasks share one connection, and durable writes a handful."""
    store = opening(server.url, "loop")
    samples = Samples(store, clock)
    records = samples.several(40)
    threads = [threading.Thread(target=lambda each=each: store.delete(each.id)) for each in records]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert listed(store) == []
    names = [each["name"] for each in server.client.client_list()]
    assert 2 <= names.count("holdfast") <= 9


def test_a_server_that_takes_no_writes_may_still_be_read(servers, opening, clock, face):
    """A primary without its replicas, as it may be told, refuses sign-ins and knows who is signed in."""
    server = servers.start()
    store = opening(server.url, face)
    record = Samples(store, clock).stored()
    server.client.config_set("min-replicas-to-write", 1)
    assert store.get(record.id, now=clock()).record == record
    with pytest.raises(StoreUnavailable):
        store.touch(record.id, seen_at=clock(), expires_at=record.expires_at + 1000)
    server.client.config_set("min-replicas-to-write", 0)
    server.client.config_set("replica-serve-stale-data", "yes")
    server.client.replicaof("127.0.0.1", 1)
    with pytest.raises(StoreUnavailable):  # a replica may be out of date
        store.get(record.id, now=clock())


class Slow:
    """Connections that break, and a search for the servers that takes long; `clock` is the time."""

    def __init__(self):
        self.clock = 1000.0
        self.limits = []

    async def send(self, address, payload, count, *, seconds):
        self.limits.append(seconds)
        raise Lost("the test says so")

    async def discover(self, seen):
        self.clock += 3

    async def pause(self, seconds):
        self.clock += seconds


def test_nothing_is_sent_when_the_time_is_up(monkeypatch):
    """To look for the servers took all of it: a connection that everybody uses would be given up as late."""
    wires, core = Slow(), Core(target("redis+cluster://one"), 2.0)
    core.topology.homes = dict.fromkeys(ALL_TAGS, core.target.seeds[0])
    monkeypatch.setattr("holdfast.stores.redis.client.time.monotonic", lambda: wires.clock)
    call = Call(ALL_TAGS[0], None, ("GET", "key"), safe=True)
    with pytest.raises(StoreUnavailable):
        run(Client(core, wires).carry_out([call]))
    assert wires.limits == [2.0]
