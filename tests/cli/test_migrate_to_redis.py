"""`holdfast migrate-store` to Redis and back, broken off and run again, while sessions end."""

import json
import os
import signal
import subprocess
import time

import pytest

import redis_servers
from holdfast.moving import Moving, move_all, open_moving
from holdfast.protocols import Cap
from holdfast.rules.secret import tag_of
from holdfast.stores import Opened, open_store
from holdfast.stores.memory import AsyncMemoryStore, MemoryStore
from holdfast.stores.near_cache import Bounds
from holdfast.testing import FakeClock
from holdfast.testing.contracts.samples import Samples, listed
from service.running import COMMAND, command, environment, until


@pytest.fixture
def redis(tmp_path):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path / "redis")
    yield servers.start()
    servers.close()


@pytest.fixture
def clock():
    return FakeClock(time.time_ns() // 1_000_000)


@pytest.fixture
def old_url(tmp_path):
    url = f"sqlite:///{tmp_path}/old.db"
    store = open_store(url)
    store.salt()  # makes the file
    store.close()
    return url


@pytest.fixture
def old(old_url):
    store = open_store(old_url)
    yield store
    store.close()


@pytest.fixture
def both(redis, old_url):
    both = open_moving(redis.url, old_url)
    yield both
    both.close()


def moved(both, clock):
    return move_all(both, now=clock(), progress=lambda part, moved: None)


def test_sessions_of_a_subject_stay_together(both, old, clock, redis):
    """The new Redis begins with the salt of the old store: ids and new sessions share their tag."""
    samples = Samples(old, clock)
    records = samples.several(5)
    assert moved(both, clock) == (5, 0, 0)
    new = open_store(redis.url)
    assert new.salt() == old.salt()
    later = Samples(new, clock).record()
    assert {tag_of(each.id) for each in records} == {tag_of(later.id)}
    assert new.get(records[0].id, now=clock()).record == records[0]
    answer = new.insert(later, now=clock(), cap=Cap(5, "evict_oldest"))
    assert len(answer.evicted) == 1
    assert len(new.delete_all("alice")) == 5
    assert listed(new) == []
    new.close()


def test_to_a_redis_that_is_in_use(redis, old_url, old, clock):
    """It has a salt of its own: what comes is listed elsewhere, found, counted and ended all the same."""
    new = open_store(redis.url)
    own = Samples(new, clock).stored()
    records = Samples(old, clock).several(3)
    both = open_moving(redis.url, old_url)
    assert new.salt() != old.salt()
    assert moved(both, clock).moved == 3
    both.close()
    assert {each.id for each in new.page("alice").records} == {own.id, *(r.id for r in records)}
    assert len(new.delete_all("alice")) == 4
    assert listed(new) == []
    new.close()


def test_and_back(redis, tmp_path, clock):
    """From Redis to SQLite."""
    new = open_store(redis.url)
    records = Samples(new, clock).several(4)
    back = f"sqlite:///{tmp_path}/back.db"
    done = command(tmp_path, "migrate-store", redis.url, back, "--json")
    assert json.loads(done.stdout) == {"moved": 4, "ended": 0, "left": 0}, done.stderr
    store = open_store(back)
    assert listed(store) == sorted(record.id for record in records)
    assert listed(new) == []
    store.close()
    new.close()


def test_a_log_out_while_the_copier_works(both, old, redis, old_url, clock):
    """Whatever was ended by a running application, in whatever moment of the copy, stays ended (P1)."""
    records = Samples(old, clock).several(600)
    application = open_moving(redis.url, old_url).opened.blocking
    ended = []

    def progress(part, count):
        for record in records[len(ended) :: 7][:5]:
            application.delete(record.id)
            ended.append(record.id)

    for record in records[:20]:
        assert application.delete(record.id)
        ended.append(record.id)
    move_all(both, now=clock(), progress=progress)
    new = open_store(redis.url)
    assert set(listed(new)) == {record.id for record in records} - set(ended)
    assert listed(old) == []
    application.close()
    new.close()


class Stopped(Exception):
    """Ctrl-C."""


def test_it_may_be_broken_off_and_run_again(clock):
    """After each page, and between: all sessions are there, and the next run moves the rest."""
    old, new = MemoryStore(), MemoryStore()
    records = Samples(old, clock).several(1200)
    both = Moving(
        *(Opened(each, AsyncMemoryStore(each)) for each in (new, old)), Bounds(), cache=False
    )
    parts = []

    def stops(part, count):
        parts.append(part)
        raise Stopped

    with pytest.raises(Stopped):
        move_all(both, now=clock(), progress=stops)
    assert len(listed(new)) == 500
    assert listed(both.opened.blocking) == sorted(record.id for record in records)
    seen = []
    rest = move_all(both, now=clock(), progress=lambda part, count: seen.append((part, count)))
    assert (rest.moved, listed(old)) == (700, [])
    assert seen[-1] == (1.0, 700)
    assert seen == sorted(seen)


def test_control_c(tmp_path, redis, old_url, old, clock):
    """The command ends with the status of an interruption and no stack; a second run finishes."""
    records = Samples(old, clock).several(3000)
    process = subprocess.Popen(
        [*COMMAND, "migrate-store", old_url, redis.url],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: redis.client.dbsize() > 5 or process.poll() is not None, "it has begun")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err
    again = command(tmp_path, "migrate-store", old_url, redis.url)
    assert again.returncode == 0, again.stderr
    assert "sessions moved" in again.stdout
    assert "Moving" in again.stderr
    new = open_store(redis.url)
    assert listed(new) == sorted(record.id for record in records)
    new.close()
