"""The store over Redis under the one contract: threads and event loops, a single server and a Cluster."""

import pytest

from holdfast.testing import StoreContract
from redis_servers import cluster_url


def opened_at(url, opening, face):
    query = "&" if "?" in url else "?"
    return lambda name="default": opening(f"{url}{query}prefix={name}", face)


class OnOneServer(StoreContract):
    face = ""
    examples = 6

    @pytest.fixture
    def clock(self, single, moved_scripts, server_clock):
        return server_clock([single])

    @pytest.fixture
    def open_store(self, single, moved_scripts, opening):
        single.client.flushall()
        return opened_at(single.url, opening, self.face)


class TestRedisStore(OnOneServer):
    face = "threads"


class TestAsyncRedisStore(OnOneServer):
    face = "loop"


class OnACluster(StoreContract):
    face = ""
    examples = 5

    @pytest.fixture
    def clock(self, cluster, moved_scripts, server_clock):
        return server_clock(cluster)

    @pytest.fixture
    def open_store(self, cluster, moved_scripts, opening):
        for node in cluster:
            node.client.flushall()
        return opened_at(cluster_url(cluster), opening, self.face)


class TestRedisClusterStore(OnACluster):
    face = "threads"


class TestAsyncRedisClusterStore(OnACluster):
    face = "loop"
