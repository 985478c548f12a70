"""A real Redis that loses what it had acknowledged: the process that said it says it again (P14).

The server keeps a snapshot alone, so whatever came after it is gone with a power cut.
"""

import time
from datetime import timedelta

import pytest

import redis_servers
from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.errors import StoreUnavailable
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.testing import BlockingStore
from holdfast.testing.contracts.samples import Samples

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"


@pytest.fixture
def server(own_servers):
    return own_servers.start()


@pytest.fixture(params=["threads", "coroutines"])
def store(request, server):
    """The store of one process, with all that belongs around it."""
    parts = assemble(Settings(), secret=SECRET, store=server.url, audit=[])
    face = parts.blocking_store if request.param == "threads" else BlockingStore(parts.store)
    yield face
    face.close()
    parts.close()


@pytest.fixture
def raw(server):
    """What the server has, as a stranger sees it."""
    opened = open_both(server.url)
    yield opened.blocking
    opened.blocking.close()


@pytest.fixture
def samples(raw):
    return Samples(raw, lambda: time.time_ns() // 1_000_000)


def lose(server, revoke):
    """What `revoke` did is acknowledged, and lost by a power cut."""
    server.client.save()
    revoke()
    server.kill()
    server.start()


def when_back(call):
    """The answer, once the store is there again."""

    def answered():
        try:
            return [call()]
        except StoreUnavailable:
            return None

    return redis_servers.until(answered)[0]


def present(raw, id):
    return when_back(lambda: raw.get(id, now=0)).record


def test_a_log_out(server, store, raw, samples):
    """The session came back with the server, and is ended by the next call of the process."""
    ended, other = samples.several(2)
    store.get(other.id, now=0)
    lose(server, lambda: store.delete(ended.id))
    assert present(raw, ended.id) == ended
    assert when_back(lambda: store.get(other.id, now=0)).record == other
    assert present(raw, ended.id) is None


def test_the_process_never_serves_it(server, store, raw, samples):
    """Not even as its first call."""
    (ended,) = samples.several(1)
    lose(server, lambda: store.delete(ended.id))
    assert when_back(lambda: store.get(ended.id, now=0)).record is None


def test_a_log_out_everywhere(server, store, raw, samples):
    """By id: who signed in again stays."""
    ended = samples.several(3)
    lose(server, lambda: store.delete_all("alice"))
    newer = samples.stored()
    assert when_back(lambda: store.get(newer.id, now=0)).record == newer
    assert [each.id for each in raw.page("alice").records] == [newer.id]
    assert len(ended) == 3


def test_a_revoked_token(server, store, raw, samples):
    """It is in the record again."""
    record, other = samples.several(2)
    draft = changed(record, version=1, revoked={"part": record.expires_at // 1000})
    lose(server, lambda: store.update(draft, expected=record.version, durable=True))
    assert present(raw, record.id).revoked == record.revoked
    when_back(lambda: store.get(other.id, now=0))
    assert "part" in present(raw, record.id).revoked


def test_everyone_out(server, store, raw, samples):
    """The epoch is raised again before anybody is served."""
    records = samples.several(3)
    lose(server, store.bump_epoch)
    assert present(raw, records[0].id) == records[0]
    assert when_back(lambda: store.get(records[1].id, now=0)).record is None
    assert present(raw, records[0].id) is None


def test_the_background_says_it_in_a_quiet_process(server, raw, samples):
    """A process that nobody asks for anything notices the loss and pays its debts."""
    parts = assemble(Settings(cache=True), secret=SECRET, store=server.url, audit=[])
    (ended,) = samples.several(1)
    other = samples.stored("bob")
    redis_servers.until(lambda: parts.blocking_store.get(other.id, now=0).cached)
    lose(server, lambda: parts.blocking_store.delete(ended.id))
    redis_servers.until(lambda: parts.wrapped.outlook().owed)
    redis_servers.until(lambda: (parts.background.work(), not parts.wrapped.outlook().owed)[1])
    assert present(raw, ended.id) is None
    parts.close()


def test_an_outage_is_felt_within_the_limit_and_ends_by_itself(server, samples):
    """A server that hangs: 503 within the time limit, then at once; and service resumes (promise 8)."""
    settings = Settings(store_timeout=timedelta(seconds=0.5))
    parts = assemble(settings, secret=SECRET, store=server.url, audit=[])
    record = samples.stored()
    assert parts.blocking_store.get(record.id, now=0).record == record
    server.pause()
    for _ in range(5):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            parts.blocking_store.get(record.id, now=0)
        assert time.monotonic() - began < 5
    assert parts.wrapped.outlook().away
    refusals = 0
    began = time.monotonic()
    while time.monotonic() - began < 0.2:
        with pytest.raises(StoreUnavailable) as error:
            parts.blocking_store.get(record.id, now=0)
        assert 1 <= error.value.retry_after <= 4
        refusals += 1
    assert refusals > 20
    server.resume()
    assert when_back(lambda: parts.blocking_store.get(record.id, now=0)).record == record
    assert not parts.wrapped.outlook().away
    parts.close()
