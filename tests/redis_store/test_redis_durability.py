"""Writes that end something are acknowledged only when the replicas have them (P12, P13, P14)."""

import time
from contextlib import suppress
from datetime import timedelta

import pytest

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.errors import ConfigurationError, NotDurable, StoreUnavailable
from holdfast.protocols import Cap, Replacing
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.stores.redis.answers import number
from holdfast.stores.redis.calls import Answer, Call, Work
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.stores.redis.target import Address, target
from holdfast.stores.redis.topology import Topology
from holdfast.stores.redis.wire import ReplyError
from holdfast.stores.remote import Durability
from holdfast.testing.contracts.samples import Samples
from redis_waiting import resumed

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"


@pytest.fixture
def primary(servers):
    return servers.start()


@pytest.fixture
def replica(servers, primary):
    return servers.replica_of(primary)


@pytest.fixture
def store(primary, replica, opening, face):
    return opening(primary.url, face, timeout=1.0)


@pytest.fixture
def clock():
    return lambda: int(time.time() * 1000)


def durability(url):
    opened = open_both(url)
    opened.blocking.close()
    return opened.remote.durability()


def test_durable_writes_wait_for_the_replica(store, samples, clock, replica):
    """What was acknowledged is on the replica at that moment, under both faces."""
    kept, ended = samples.several(2)
    assert store.delete(ended.id)
    assert replica.client.exists(f"hfr{{{ended.id[:2]}}}{ended.id[2:]}") == 0
    assert replica.client.exists(f"hfr{{{kept.id[:2]}}}{kept.id[2:]}") == 1


def test_a_revocation_that_is_not_proved_says_so(store, samples, clock, replica):
    """It is carried out and not acknowledged; a retry proves it, also with nothing left to do."""
    one, two, three, four = samples.several(4)
    store.salt()
    replica.pause()
    started = time.monotonic()
    for verb in (
        lambda: store.delete(one.id),
        lambda: store.update(changed(two, version=1), expected=two.version, durable=True),
        lambda: store.delete_all("alice", keep=four.id),
        store.bump_epoch,
    ):
        with pytest.raises(NotDurable):
            verb()
    assert time.monotonic() - started < 8
    assert store.get(one.id, now=clock()).record is None
    assert store.get(four.id, now=clock()).record is None
    with pytest.raises(NotDurable):
        store.delete(three.id)
    replica.resume()
    assert not store.delete(three.id)
    assert store.delete_all("alice") == ()


def test_what_was_refused_does_not_pass_for_done(store, samples, clock, replica):
    """A session that somebody else has changed is as it was: who takes it for ended signs somebody out."""
    record = samples.stored()
    store.salt()
    replica.pause()
    assert not store.delete(record.id, expected=record.version + 1)
    new = changed(record, version=1)
    assert not store.update(new, expected=record.version + 1, durable=True)
    assert store.get(record.id, now=clock()).record == record
    with pytest.raises(NotDurable):
        store.delete(record.id, expected=record.version)
    replica.resume()


def test_what_went_without_proof_is_named(store, samples, clock, replica):
    """Whoever must say it again after a loss is told which sessions those are."""
    gone = samples.several(3)
    store.salt()
    replica.pause()
    with pytest.raises(NotDurable) as unproved:
        store.delete_all(gone[0].subject)
    assert sorted(unproved.value.ended) == sorted(each.id for each in gone)
    with pytest.raises(NotDurable) as unproved:
        store.bump_epoch()
    assert unproved.value.epoch == 1
    replica.resume()


def test_who_refused_has_nothing_to_acknowledge():
    """A primary that has become a replica does nothing and proves nothing; its successor does both."""
    topology = Topology(target("redis://one"), 1.0)
    topology.homes = dict.fromkeys(ALL_TAGS, Address("one", 6379))
    topology.target = topology.target._replace(replicas=1)
    work = Work([Call("aa", None, ("DEL", "key"), durable=True, read=number)])
    (first,) = work.batches(topology, 10)
    refusal = ReplyError("READONLY You can't write against a read only replica.")
    work.absorb(first, [refusal, ReplyError("ERR WAIT cannot be used")], "one", topology)
    (second,) = work.batches(topology, 10)
    work.absorb(second, [1, 1], "two", topology)
    assert work.answers == [Answer(1, "two")]
    assert work.proved


def test_a_refresh_token_is_exchanged_when_the_replica_has_it(primary, replica):
    """Unproved, the client gets no token; its retry proves first, and the next primary knows it (P13)."""
    settings = Settings(store_timeout=timedelta(seconds=1))
    here, there = (
        assemble(settings, secret=SECRET, store=each.url, audit=[]) for each in (primary, replica)
    )
    session = here.blocking.begin(None)
    here.blocking.sign_in(session, "ada")
    old = here.blocking.issue_tokens(session).refresh_token
    replica.pause()
    for _ in range(2):
        with pytest.raises(NotDurable):
            here.blocking.refresh(old)
    assert rotations(here, session) == 1
    replica.resume()
    successor = here.blocking.refresh(old).tokens.refresh_token
    assert rotations(here, session) == 1
    primary.kill()
    replica.client.replicaof("NO", "ONE")
    assert resumed(lambda: there.blocking.refresh(successor)).tokens
    for each in (here, there):
        each.close()


def rotations(parts, session):
    """How often the session's refresh token was exchanged."""
    return parts.blocking_store.get(session.id, now=0).record.refresh.generation


def test_other_requests_do_not_wait(store, samples, clock, replica):
    """While a revocation waits for replicas, reading and signing in go on."""
    record = samples.stored()
    replica.pause()
    started = time.monotonic()
    assert store.get(record.id, now=clock()).record == record
    assert samples.stored()
    assert time.monotonic() - started < 0.4
    replica.resume()


def test_replicas_can_be_set(primary, replica, opening, samples):
    """`replicas=0` asks for none, and a number that cannot be reached proves nothing."""
    record = samples.stored()
    with pytest.raises(NotDurable):
        opening(f"{primary.url}?replicas=2", timeout=0.5).delete(record.id)
    replica.pause()
    assert not opening(f"{primary.url}?replicas=0").delete(record.id)
    replica.resume()


def test_the_class_is_reported(servers, primary, replica):
    """What a durable write survives is said by name."""
    assert durability(primary.url) == Durability("replicated", 1)
    assert str(durability(primary.url)) == "replicated 1"
    assert str(durability(f"{primary.url}?replicas=0")) == "memory"
    synced = servers.start("appendonly yes", "appendfsync always")
    assert str(durability(synced.url)) == "fsynced"
    synced.client.config_set("appendfsync", "everysec")
    assert str(durability(synced.url)) == "memory"


def test_synced_writes_survive_a_kill(servers, opening, clock):
    """With the class `fsynced`, what was acknowledged is there after the server was killed."""
    server = servers.start("appendonly yes", "appendfsync always")
    store = opening(server.url)
    kept, ended = Samples(store, clock).several(2)
    assert store.delete(ended.id)
    server.kill()
    server.start()
    assert store.get(ended.id, now=clock()).record is None
    assert store.get(kept.id, now=clock()).record == kept


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_eviction_is_refused_at_the_start(servers, policy):
    """A server that drops sessions when memory runs out is a wrong configuration (P25)."""
    server = servers.start(f"maxmemory-policy {policy}")
    with pytest.raises(ConfigurationError, match=rf"{policy}.*noeviction"):
        open_both(server.url)


def test_eviction_that_comes_later_is_an_outage(servers, clock):
    """A server that was away at the start is judged when it is there: 503, with the reason."""
    server = servers.start("maxmemory-policy allkeys-lru")
    server.kill()
    opened = open_both(server.url, timeout=1.0)
    server.start()
    with pytest.raises(StoreUnavailable, match="noeviction"):
        opened.blocking.salt()
    server.client.config_set("maxmemory-policy", "noeviction")
    assert resumed(opened.blocking.salt)
    opened.blocking.close()


def test_a_full_server_still_reads_and_ends(servers, opening, clock, face):
    """Without memory nobody can sign in (503), and sessions are read and ended as ever."""
    server = servers.start("maxmemory-policy noeviction")
    store = opening(server.url, face)
    samples = Samples(store, clock)
    record, other = samples.several(2)
    server.client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="memory"):
        samples.stored()
    with pytest.raises(StoreUnavailable, match="memory"):
        store.take("key", limit=1, period=1000, now=clock())
    assert store.get(record.id, now=clock()).record == record
    assert store.delete(record.id)
    assert store.delete_all("alice") == (other.id,)
    server.client.config_set("maxmemory", 0)
    assert samples.stored()


def test_a_full_server_does_nothing_by_halves(servers, opening, clock):
    """Redis takes nothing back: who evicts or replaces a session and then finds no memory goes on (P9)."""
    server = servers.start("maxmemory-policy noeviction")
    store = opening(server.url)
    samples = Samples(store, clock)
    evicted, replaced = samples.stored(), samples.stored("bob")
    first, second = samples.record(), samples.record("bob")
    server.client.config_set("maxmemory", 1)
    given = {"cap": Cap(1, "evict_oldest")}, {"replacing": Replacing(replaced.id, replaced.version)}
    for record, more in zip((first, second), given, strict=True):
        with suppress(StoreUnavailable):
            store.insert(record, now=clock(), **more)
    alice, bob = ([each.id for each in store.page(name).records] for name in ("alice", "bob"))
    assert alice in ([evicted.id], [first.id])
    assert bob in ([replaced.id], [second.id])
    assert sorted(alice + bob) == [each.id for each in store.page().records]


def test_a_full_server_still_revokes(servers, opening, clock, face):
    """What revokes by writing needs no free memory: a token of a session, and everybody (P12)."""
    server = servers.start("maxmemory-policy noeviction")
    store = opening(server.url, face)
    record, other = Samples(store, clock).several(2)
    server.client.config_set("maxmemory", 1)
    later = changed(record, version=record.version + 1)
    with pytest.raises(StoreUnavailable, match="memory"):
        store.update(later, expected=record.version)
    assert store.update(later, expected=record.version, durable=True)
    assert store.get(record.id, now=clock()).record == later
    assert store.bump_epoch() == 1
    assert store.get(record.id, now=clock()).record is None
    assert store.get(other.id, now=clock()).record is None


def test_a_replica_is_not_believed(servers, primary, opening, clock, face):
    """A server that has become a replica serves neither writes nor reads, which may be out of date."""
    store = opening(primary.url, face, timeout=0.4)
    samples = Samples(store, clock)
    record = samples.stored()
    other = servers.start()
    primary.client.replicaof("127.0.0.1", other.port)
    for verb in (
        lambda: store.get(record.id, now=clock()),
        lambda: store.touch(record.id, seen_at=0, expires_at=0),
        lambda: store.page("alice"),
        store.page,
        lambda: store.delete(record.id),
        samples.stored,
    ):
        with pytest.raises(StoreUnavailable):
            verb()
    primary.client.replicaof("NO", "ONE")
    assert resumed(samples.stored)
