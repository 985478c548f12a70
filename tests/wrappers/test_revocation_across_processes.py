"""Two processes on real servers: what one has ended, the other refuses within the bound (promise 1)."""

import socket
import threading
import time
from contextlib import suppress

import pytest

import postgresql
import redis_servers
from holdfast.stores import open_both
from holdfast.stores.redis.keys import SLOT_OF
from holdfast.testing.contracts.samples import Samples
from wrappers.processes import Process

BOUND = 1.0
FACES = ["threads", "coroutines"]


class Relay:
    """Passes bytes to a server; `hold` keeps back what comes on the connections for changes alone."""

    MARKS = (b"TRACKING", b"LISTEN")

    def __init__(self, port):
        self._target = port
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self):
        self._flowing.clear()

    def close(self):
        self._flowing.set()
        self._listener.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            feeds = threading.Event()
            threading.Thread(target=self._out, args=(client, server, feeds), daemon=True).start()
            threading.Thread(target=self._back, args=(server, client, feeds), daemon=True).start()

    def _out(self, client, server, feeds):
        with suppress(OSError):
            while data := client.recv(65536):
                if any(mark in data for mark in self.MARKS):
                    feeds.set()
                server.sendall(data)

    def _back(self, server, client, feeds):
        with suppress(OSError):
            while data := server.recv(65536):
                if feeds.is_set():
                    self._flowing.wait()
                client.sendall(data)


class Site:
    """A server, by the URL that neighbours use, and by another one through a relay."""

    def __init__(self, url, relayed=None, relay=None):
        self.url, self.relayed, self.relay = url, relayed, relay
        self.opened = open_both(url)
        self.samples = Samples(self.opened.blocking, lambda: time.time_ns() // 1_000_000)
        self.processes = []

    def process(self, face, *, url=None, cache="yes"):
        self.processes.append(Process(url or self.url, face, cache))
        return self.processes[-1]

    def close(self):
        for each in self.processes:
            each.close()
        if self.relay is not None:
            self.relay.close()
        self.opened.blocking.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path_factory.mktemp("redis"))
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def redis_single(servers):
    return servers.start()


@pytest.fixture(scope="module")
def redis_cluster(servers):
    return servers.cluster()


@pytest.fixture
def make_site():
    """Opens sites, and closes them with their processes whatever happens."""
    made = []

    def make(*arguments):
        made.append(Site(*arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def redis_site(make_site, request):
    server = request.getfixturevalue("redis_single")
    relay = Relay(server.port)
    return make_site(server.url, f"redis://127.0.0.1:{relay.port}", relay)


@pytest.fixture
def cluster_site(make_site, request):
    return make_site(redis_servers.cluster_url(request.getfixturevalue("redis_cluster")))


@pytest.fixture
def postgres_schemas():
    schemas = postgresql.Schemas(postgresql.server())
    yield schemas
    schemas.release()


@pytest.fixture
def postgres_site(postgres_schemas, make_site):
    server = postgresql.server()
    relay = Relay(server.port)
    relayed = server.url.replace(str(server.port), str(relay.port))
    return make_site(postgres_schemas.url(), postgres_schemas.url(base=relayed), relay)


@pytest.fixture(params=["redis", "cluster", "postgres"])
def site(request):
    return request.getfixturevalue(f"{request.param}_site")


@pytest.fixture(params=["redis", "postgres"])
def relayed_site(request):
    return request.getfixturevalue(f"{request.param}_site")


@pytest.mark.parametrize("face", FACES)
def test_a_revocation_is_heard_in_the_other_process(site, face):
    """Both serve the session from memory; one ends it, the other hears of it at once."""
    record = site.samples.stored("ada")
    here, there = site.process(face), site.process(face)
    assert there.ask("warm", record.id)["warm"]
    assert there.ask("watch", record.id)["watching"]
    revoked = here.ask("revoke", record.id)
    seen = there.answer()
    assert revoked["done"]
    assert seen["refused"] == "unknown"
    assert seen["last"] - revoked["acknowledged"] < BOUND
    assert seen["served"] > 0


def test_everyone_out_is_heard_in_the_other_process(site):
    """One message for all sessions there are."""
    record = site.samples.stored("ada")
    here, there = site.process("threads"), site.process("threads")
    assert there.ask("warm", record.id)["warm"]
    assert there.ask("watch", record.id)["watching"]
    acknowledged = here.ask("everyone")["acknowledged"]
    seen = there.answer()
    assert seen["last"] - acknowledged < BOUND


@pytest.mark.parametrize("face", FACES)
def test_a_cut_channel_ends_within_the_bound(relayed_site, face):
    """Nothing comes on the connection for changes any more, and nobody says so.

    Only the revocation, by a process that has its connection, comes between the cut and its end: on a busy
    machine the bound would be over before it, and nothing served from memory past it.
    """
    site = relayed_site
    record = site.samples.stored("ada")
    here, there = site.process(face), site.process(face, url=site.relayed)
    assert here.ask("once", record.id)["served"]
    assert there.ask("warm", record.id)["warm"]
    assert there.ask("watch", record.id)["watching"]
    site.relay.hold()
    acknowledged = here.ask("revoke", record.id)["acknowledged"]
    seen = there.answer()
    assert 0 < seen["last"] - acknowledged < BOUND


def test_a_revocation_where_the_session_has_moved_to(own_servers, make_site):
    """Its slot went to another node while the other process served it from memory."""
    nodes = own_servers.cluster(primaries=2)
    site = make_site(redis_servers.cluster_url(nodes))
    record = site.samples.stored("ada")
    here, there = site.process("threads"), site.process("threads")
    assert there.ask("warm", record.id)["warm"]
    slot = SLOT_OF[record.id[:2]]
    source, target = nodes if slot < 8192 else nodes[::-1]
    run = [node.client.execute_command for node in (source, target)]
    run[1]("CLUSTER SETSLOT", slot, "IMPORTING", redis_servers.node_id(source))
    run[0]("CLUSTER SETSLOT", slot, "MIGRATING", redis_servers.node_id(target))
    keys = run[0]("CLUSTER GETKEYSINSLOT", slot, 1000)
    run[0]("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for each in run[::-1]:
        each("CLUSTER SETSLOT", slot, "NODE", redis_servers.node_id(target))
    assert there.ask("watch", record.id)["watching"]
    acknowledged = here.ask("revoke", record.id)["acknowledged"]
    seen = there.answer()
    assert seen["refused"] == "unknown"
    assert seen["last"] - acknowledged < BOUND


@pytest.mark.parametrize("cache", ["yes", "no"])
def test_a_partitioned_primary_is_not_believed(own_servers, make_site, cache):
    """Its replica was promoted, and ends sessions of which it knows nothing (the fence)."""
    old = own_servers.start()
    new = own_servers.replica_of(old)
    site = make_site(f"{old.url}?fence=yes&replicas=1")
    record = site.samples.stored("ada")
    redis_servers.until(lambda: new.client.exists(f"hfr{{{record.id[:2]}}}{record.id[2:]}"))
    there = site.process("threads", cache=cache)
    assert there.ask("once", record.id)["served"]
    assert there.ask("watch", record.id)["watching"]
    new.client.replicaof("no", "one")
    if cache == "no":  # a replica is promoted only after longer than the bound
        seen = there.answer()
    here = site.process("threads", url=new.url, cache="no")
    revoked = here.ask("revoke", record.id)
    assert revoked["done"]
    if cache == "yes":
        seen = there.answer()
    assert seen["served"] > 0
    assert seen["refused"] == "unavailable"
    assert seen["last"] - revoked["acknowledged"] < BOUND
    assert there.ask("watch", record.id)["served"] == 0
