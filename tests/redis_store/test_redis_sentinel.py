"""A primary that Sentinels watch over is killed, or cut off from its replica."""

import time

import pytest

from holdfast.errors import ConfigurationError, NotDurable, StoreUnavailable
from holdfast.stores import open_both
from holdfast.testing.contracts.samples import Samples
from redis_servers import sentinel_url, until
from redis_traffic import Traffic, revived
from redis_waiting import resumed


@pytest.fixture
def clock():
    return lambda: int(time.time() * 1000)


@pytest.fixture
def primary(servers):
    return servers.start()


@pytest.fixture
def replica(servers, primary):
    return servers.replica_of(primary)


@pytest.fixture
def sentinels(servers, primary, replica):
    return servers.sentinels(primary)


@pytest.fixture
def url(sentinels):
    return sentinel_url(sentinels)


def test_a_failover_under_load(url, primary, replica, opening, clock, face):
    """Nothing that was acknowledged as ended comes back, and requests are served again by themselves."""
    store = opening(url, face, timeout=2.0)
    samples = Samples(store, clock)
    kept = samples.several(10)
    assert store.delete(samples.stored().id)  # what it waits for includes all before
    with Traffic(store, samples, clock) as traffic:
        until(lambda: len(traffic.ended) > 50)
        primary.kill()
        until(lambda: replica.info("role") == "master")
        before = len(traffic.ended)
        resumed(samples.stored)
        assert traffic.failures == []
        # Alone it can prove nothing: at the start there was a replica.
        with pytest.raises(NotDurable):
            store.delete(kept[9].id)
        primary.start()
        until(lambda: primary.info("role") == "slave")
        until(lambda: len(traffic.ended) > before + 20)
    assert traffic.failures == []
    assert traffic.refusals
    assert revived(store, traffic, clock) == []
    assert store.get(kept[9].id, now=clock()).record is None
    assert [store.get(each.id, now=clock()).record for each in kept[:9]] == kept[:9]


def test_a_primary_that_comes_back_too_late_is_not_believed(
    url, primary, replica, opening, clock, face
):
    """A process that was idle while its primary was away does not read from it what was revoked since."""
    idle, busy = opening(url, face, timeout=1.0), opening(url, face, timeout=1.0)
    samples = Samples(busy, clock)
    record, other = samples.several(2)
    assert idle.get(record.id, now=clock()).record == record
    assert busy.delete(other.id)
    primary.pause()
    until(lambda: replica.info("role") == "master")
    resumed(lambda: _ended(busy, record.id))
    primary.resume()
    until(lambda: primary.info("role") == "slave")
    assert resumed(lambda: idle.get(record.id, now=clock())).record is None


def _ended(store, id):
    """The end of a session on a primary that has no replica left to prove it with."""
    with pytest.raises(NotDurable):
        store.delete(id)


def test_most_sentinels_must_answer(url, sentinels, opening, clock):
    """One of three may be away; a single one may be cut off together with an old primary."""
    sentinels[0].kill()
    store = opening(url, timeout=1.0)
    assert store.salt()
    sentinels[1].kill()
    with pytest.raises(StoreUnavailable, match="Sentinel"):
        opening(url, timeout=1.0).salt()
    assert store.bump_epoch() == 1  # whoever has found the primary goes on


def test_a_sentinel_that_has_forgotten_is_passed_over(url, sentinels, opening, face):
    """One that was set up anew knows no service yet; the others do. If none does, the URL is wrong."""
    for each in sentinels[:2]:
        each.client.execute_command("SENTINEL REMOVE main")
        if each is sentinels[0]:
            assert opening(url, face, timeout=1.0).salt()
    with pytest.raises(StoreUnavailable, match="know the service"):
        opening(url, face, timeout=1.0).salt()
    with pytest.raises(ConfigurationError, match="no service of the name"):
        open_both(url.replace("/main", "/mian"))


def test_a_change_of_primary_is_told(url, primary, replica, sentinels, clock):
    """The feed of changes learns of it, and whoever has revocations to assert."""
    opened = open_both(url, timeout=1.0)
    told = []
    opened.remote.on_change(lambda: told.append("change"))
    opened.remote.on_loss(lambda: told.append("loss"))
    assert opened.remote.lines() == (f"127.0.0.1:{primary.port}",)
    assert opened.remote.durability() == ("replicated", 1)
    primary.kill()
    until(lambda: replica.info("role") == "master")
    resumed(opened.blocking.page)
    assert opened.remote.lines() == (f"127.0.0.1:{replica.port}",)
    assert {"change", "loss"} <= set(told)
    opened.blocking.close()
