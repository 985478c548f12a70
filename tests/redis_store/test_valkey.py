"""The same store on Valkey: the contract on one server, then Sentinel and a Cluster, each by its own scheme."""

import time

import pytest

import redis_servers
from holdfast.testing import StoreContract
from holdfast.testing.contracts.samples import Samples, listed
from redis_servers import cluster_url, sentinel_url


def as_valkey(url):
    return url.replace("redis", "valkey", 1)


@pytest.fixture(scope="module")
def valkeys(tmp_path_factory):
    """Valkey servers, ended together."""
    program = redis_servers.valkey_program()
    servers = redis_servers.Servers(tmp_path_factory.mktemp("valkey"), program)
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def one(valkeys):
    return valkeys.start()


class OnValkey(StoreContract):
    face = ""
    examples = 3

    @pytest.fixture
    def clock(self, one, moved_scripts, server_clock):
        return server_clock([one])

    @pytest.fixture
    def open_store(self, one, moved_scripts, opening):
        one.client.flushall()
        return lambda name="default": opening(f"{as_valkey(one.url)}?prefix={name}", self.face)


class TestValkeyStore(OnValkey):
    face = "threads"


class TestAsyncValkeyStore(OnValkey):
    face = "loop"


def real_time():
    return time.time_ns() // 1_000_000


def signs_in_lists_and_ends(store):
    samples = Samples(store, real_time)
    kept = [samples.several(3, f"user-{number}") for number in range(5)]
    assert store.get(kept[0][0].id, now=real_time()).record == kept[0][0]
    for number, records in enumerate(kept):
        assert set(listed(store, f"user-{number}")) == {each.id for each in records}
        assert set(store.delete_all(f"user-{number}")) == {each.id for each in records}
    last = samples.stored()
    assert store.bump_epoch() == 1
    assert store.get(last.id, now=real_time()).record is None


def test_a_primary_that_sentinels_name(valkeys, opening, face):
    primary = valkeys.start()
    url = as_valkey(sentinel_url(valkeys.sentinels(primary)))
    assert url.startswith("valkey+sentinel://")
    signs_in_lists_and_ends(opening(f"{url}?prefix={face}", face))


def test_a_cluster(valkeys, opening):
    url = as_valkey(cluster_url(valkeys.cluster()))
    assert url.startswith("valkey+cluster://")
    signs_in_lists_and_ends(opening(url, "loop"))
