"""Notes of activity together: one statement for many sessions, and each note has its own answer."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.engine import Touch
from holdfast.errors import StoreCorrupt, StoreUnavailable
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.testing.contracts.samples import Samples
from redis_waiting import resumed

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
HOUR = 3_600_000


def now():
    return time.time_ns() // 1_000_000


@pytest.fixture
def url(server, schema):
    return f"{server.url}?schema={schema}"


@pytest.fixture
def opened(url):
    """Opens both faces of the store as another process would, and closes them."""
    made = []

    def make(**options):
        made.append(open_both(url, **options))
        return made[-1]

    yield make
    for each in made:
        each.blocking.close()


def touches(both, records, later, address=None):
    return both.together.run(
        both.together.store.touch(
            each.id, seen_at=later, expires_at=each.expires_at, address=address
        )
        for each in records
    )


def test_each_note_has_its_own_answer(opened, monkeypatch):
    """Also the one that comes too late; the server is asked once."""
    both = opened()
    samples = Samples(both.blocking, now)
    records, gone = samples.several(50), samples.stored()
    both.blocking.delete(gone.id)
    asked = []
    core = both.blocking.core
    execute = core._executor.execute
    monkeypatch.setattr(core._executor, "execute", lambda each: asked.append(each) or execute(each))
    later = now() + HOUR
    for address in (None, "192.0.2.9"):
        answers = touches(both, [*records[:20], gone, *records[20:]], later, address)
        assert answers == [True] * 20 + [False] + [True] * 30
    assert len(asked) == 2
    for each in records:
        seen = changed(each, seen_at=later, address="192.0.2.9")
        assert both.blocking.get(each.id, now=now()).record == seen
    assert touches(both, [], later) == []


def test_other_verbs_are_carried_out_at_once(opened):
    """What stands around the store may ask for anything."""
    both = opened()
    store = both.together.store
    record, ended = Samples(both.blocking, now).several(2)
    found = both.together.run([store.get(record.id, now=now()), store.delete(ended.id)])
    assert found[0].record == record
    assert found[1] is True


def test_processes_do_not_wait_for_each_other_for_ever(opened):
    """Two that note the same sessions in different orders lock them in the same one (P35)."""
    here, there = opened(), opened()
    records = Samples(here.blocking, now).several(60)

    def work(both, some):
        return [touches(both, some, now() + turn) for turn in range(15)]

    with ThreadPoolExecutor(2) as threads:
        answers = [
            threads.submit(work, here, records),
            threads.submit(work, there, records[::-1]),
        ]
        for each in answers:
            assert each.result() == [[True] * 60] * 15


def test_one_that_is_refused_spoils_no_other(opened, monkeypatch):
    """What the server refuses as a whole is said one by one."""
    both = opened()
    records = Samples(both.blocking, now).several(3)
    core = both.blocking.core
    run = core.run

    def picky(call):
        if call.function.many or call.values[0] == records[1].id.encode():
            raise StoreCorrupt("it does not like this one")
        return run(call)

    monkeypatch.setattr(core, "run", picky)
    first, second, third = touches(both, records, now() + HOUR)
    assert first is third is True
    assert isinstance(second, StoreCorrupt)


def test_an_outage_holds_activity_back(url, server):
    """It is an error for each, and what the background thread had to say comes with the next round."""
    settings = Settings(flush_every=timedelta(minutes=10), store_timeout=timedelta(seconds=1))
    parts = assemble(settings, secret=SECRET, store=url, audit=[])
    records = Samples(parts.blocking_store, now).several(250)
    later = now() + HOUR
    for each in records:
        parts.background.collect(Touch(each.id, later, each.expires_at, None))
    server.stop()
    with pytest.raises(StoreUnavailable):
        parts.background.flush()
    server.start()
    resumed(parts.background.flush)
    found = [parts.blocking_store.get(each.id, now=now()).record for each in records]
    assert found == [changed(each, seen_at=later) for each in records]
    parts.close()


def test_a_statement_that_fails_is_one_failure(url, server, schema):
    """Somebody holds one row for long: what many calls lost by it must not pass for an outage."""
    settings = Settings(flush_every=timedelta(minutes=10), store_timeout=timedelta(seconds=0.5))
    parts = assemble(settings, secret=SECRET, store=url, audit=[])
    records = Samples(parts.blocking_store, now).several(20)
    for each in records:
        parts.background.collect(Touch(each.id, now() + HOUR, each.expires_at, None))
    with psycopg.connect(server.url) as elsewhere:
        elsewhere.execute(f"SELECT 1 FROM {schema}.sessions LIMIT 1 FOR UPDATE")
        with pytest.raises(StoreUnavailable):
            parts.background.flush()
        assert parts.blocking_store.get(records[0].id, now=now()).record == records[0]
    parts.close()
