"""What operators see of a store behind a network: near cache and durability, over a real Redis."""

import json
import logging

import httpx
import pytest

import redis_servers
from holdfast.stores.near_cache import Stats
from holdfast.stores.remote import Durability
from holdfast.stores.standing import Outlook, Standing
from service.clients import bearer
from service.running import Server, command, until
from service.test_metrics import KEY, counts

CLASSES = ("memory", "fsynced", "replicated")


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path_factory.mktemp("redis"))
    yield servers.start("appendonly yes", "appendfsync always")
    servers.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, redis):
    home = tmp_path_factory.mktemp("service") / "home"
    options = {"METRICS_KEY": KEY, "STORE": redis.url, "CACHE": "yes", "FLUSH_EVERY": "100ms"}
    server = Server(home, "--demo", "--workers", "2", **options)
    server.home = home
    yield server
    assert server.stop() == 0


def read(server):
    """The figures, of all workers."""
    return counts(httpx.get(f"{server.url}/metrics", headers=bearer(KEY), timeout=20).text)


def test_the_near_cache_is_measured(server):
    """Hits, misses, entries, bytes and age; the class of a revocation; nothing owed or away."""
    tokens = server.login()

    def hits():
        server.me(tokens)
        return read(server).get('holdfast_cache_reads_total{answer="hit"}', 0) > 0

    until(hits, "the near cache answers")
    until(lambda: read(server)["holdfast_cache_entries"] >= 1, "entries are counted")
    found = read(server)
    assert found['holdfast_cache_reads_total{answer="miss"}'] >= 1
    assert found["holdfast_cache_bytes"] > 0
    assert found["holdfast_cache_age_seconds"] >= 0
    classes = {kind: found[f'holdfast_store_durability{{class="{kind}"}}'] for kind in CLASSES}
    assert classes == {"memory": 0, "fsynced": 1, "replicated": 0}
    assert found["holdfast_store_replicas"] == found["holdfast_store_nodes_away"] == 0
    assert found["holdfast_store_owed"] == 0


def test_the_start_and_readiness_name_the_class(server):
    """For whoever deploys; no address or name of a node."""
    assert any("Durability of revocations: fsynced; they survive" in line for line in server.lines)

    def named():
        answer = httpx.get(f"{server.url}/readyz", timeout=20).json()
        return answer == {"status": "ready", "durability": "fsynced"}

    until(named, "the class is known")


def test_the_start_says_that_there_are_no_users(tmp_path, redis):
    """They stay where they were when sessions move to Redis: nobody can sign in."""
    moved = Server(tmp_path / "home", "--profile", "development", STORE=redis.url)
    assert moved.stop() == 0
    (told,) = [line for line in moved.lines if "nobody can sign in" in line]
    assert "holdfast user add" in told
    assert "HOLDFAST_USERS" in told
    url = f"sqlite:///{tmp_path}/old.db"
    password = "a long password for tests\n"
    command(tmp_path / "home", "user", "add", "ada@example.org", input=password, STORE=url)
    asks = {"AUTHENTICATOR": "https://app.example.org/check", "AUTHENTICATOR_KEY": "k" * 43}
    keyed = {"SERVICE_KEYS": "shop:sessions:" + "0" * 64}  # the application checks passwords
    for variables in ({"USERS": url}, asks, keyed):
        other = Server(tmp_path / "home", "--profile", "development", STORE=redis.url, **variables)
        assert other.stop() == 0
        assert "nobody can sign in" not in other.output


def test_what_ended_workers_said_of_themselves_goes(server):
    """What is held now counts for processes that run now; a count of the past stays."""
    folder = next(server.home.glob("metrics"))
    until(lambda: len(list(folder.glob("gauge_livesum_*.db"))) == 2, "both have looked")
    kept = [folder / "gauge_livesum_999999999.db", folder / "counter_999999999.db"]
    for path in kept:
        path.write_bytes(next(folder.glob(f"{path.stem.rpartition('_')[0]}_*.db")).read_bytes())
    assert read(server)["holdfast_store_owed"] == 0
    assert [path.exists() for path in kept] == [False, True]


def test_doctor_says_what_is_there(tmp_path, redis):
    """The class with what it survives, and the near cache with how fresh it is."""
    done = command(tmp_path, "doctor", STORE=redis.url, CACHE="yes", PROFILE="development")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fsynced; an acknowledged revocation survives the end of the server" in done.stdout
    assert "on; changes were heard" in done.stdout
    off = command(tmp_path, "doctor", "--json", STORE=redis.url, PROFILE="development")
    assert '"near cache",\n    "state": "ok",\n    "text": "off"' in off.stdout


def test_doctor_warns_of_memory(tmp_path):
    """A server that keeps nothing on its disk: a warning, and still status 0."""
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path / "redis")
    try:
        server = servers.start()
        done = command(tmp_path, "doctor", "--json", STORE=server.url, PROFILE="development")
        assert done.returncode == 0, done.stdout
        assert '"warning",\n    "text": "memory; an acknowledged' in done.stdout
        assert "name it in HOLDFAST_USERS" in done.stdout
    finally:
        servers.close()


def test_doctor_says_once_that_nobody_answers(tmp_path):
    """What is not there has no durability to be asked for."""
    done = command(tmp_path, "doctor", "--json", STORE="redis://127.0.0.1:1", PROFILE="development")
    assert done.returncode == 1
    failed = [each for each in json.loads(done.stdout) if each["state"] == "failed"]
    assert [each["check"] for each in failed] == ["store"]
    assert "cannot be reached" in failed[0]["text"]


def outlook(kind, replicas=0):
    return Outlook(Durability(kind, replicas), {}, (), 0, Stats(0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("before", "now", "level"),
    [
        (None, outlook("fsynced"), logging.INFO),
        (None, outlook("memory"), logging.WARNING),
        (outlook("replicated", 2), outlook("replicated", 1), logging.WARNING),
        (outlook("replicated", 1), outlook("fsynced"), logging.WARNING),
        (outlook("fsynced"), outlook("replicated", 1), logging.INFO),
        (outlook("fsynced"), outlook("fsynced"), None),
    ],
)
def test_the_class_is_logged_when_it_is_known_and_when_it_changes(caplog, before, now, level):
    """A weaker one, or memory alone, is a warning."""
    standing = Standing()
    if before is not None:
        standing.look(before)
    caplog.clear()
    caplog.set_level(logging.INFO, "holdfast")
    standing.look(now)
    assert [record.levelno for record in caplog.records] == ([] if level is None else [level])
    assert standing.latest is now
