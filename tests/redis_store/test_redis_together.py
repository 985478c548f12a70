"""Many calls of one thread together: few writes on the wire, and each call has its own answer."""

import time
from datetime import timedelta

import pytest

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.engine import Touch
from holdfast.errors import StoreUnavailable
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.testing.contracts.samples import Samples
from redis_servers import cluster_url, until

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"


def now():
    return time.time_ns() // 1_000_000


@pytest.fixture
def opened():
    """Opens both faces of stores, and closes them."""
    made = []

    def make(url, **options):
        made.append(open_both(url, **options))
        return made[-1]

    yield make
    for each in made:
        each.blocking.close()


def touches(together, records, later):
    return together.run(
        together.store.touch(each.id, seen_at=later, expires_at=each.expires_at) for each in records
    )


def test_each_call_has_its_own_answer(single, opened):
    """Also the one that comes too late, and those that ask twice since a script was forgotten."""
    single.client.flushall()
    both = opened(single.url)
    samples = Samples(both.blocking, now)
    records = samples.several(50)
    gone = samples.stored()
    both.blocking.delete(gone.id)
    single.client.script_flush()
    later = now() + 3_600_000
    answers = touches(both.together, [*records[:20], gone, *records[20:]], later)
    assert answers == [True] * 20 + [False] + [True] * 30
    for each in records:
        assert both.blocking.get(each.id, now=now()).record == changed(each, seen_at=later)


def test_they_go_out_in_few_writes(single, opened):
    """The server reads some dozen times for three hundred calls."""
    single.client.flushall()
    both = opened(single.url)
    records = Samples(both.blocking, now).several(300)
    touches(both.together, records[:1], now())
    before = single.client.info("stats")["total_reads_processed"]
    assert all(touches(both.together, records, now() + 1000))
    assert single.client.info("stats")["total_reads_processed"] - before < 40


def test_on_a_cluster(cluster, opened):
    """What belongs to one server goes there together."""
    for node in cluster:
        node.client.flushall()
    both = opened(cluster_url(cluster))
    samples = Samples(both.blocking, now)
    records = [samples.stored(f"user-{number}") for number in range(60)]
    assert len({record.id[:2] for record in records} & set(ALL_TAGS)) > 10
    assert touches(both.together, records, now() + 1000) == [True] * 60


def test_an_outage_is_an_error_for_each(servers, opened):
    """None is lost in silence."""
    server = servers.start()
    both = opened(server.url, timeout=0.5)
    records = Samples(both.blocking, now).several(5)
    server.pause()
    answers = touches(both.together, records, now() + 1000)
    server.resume()
    assert [type(each) for each in answers] == [StoreUnavailable] * 5


@pytest.mark.parametrize("cache", [True, False])
def test_activity_is_sent_together(servers, cache):
    """The background thread of an application: what an outage held back comes with the next round."""
    server = servers.start()
    settings = Settings(
        cache=cache, flush_every=timedelta(minutes=10), store_timeout=timedelta(seconds=0.5)
    )
    parts = assemble(settings, secret=SECRET, store=server.url, audit=[])
    records = Samples(parts.blocking_store, now).several(250)
    later = now() + 3_600_000
    for each in records:
        parts.background.collect(Touch(each.id, later, each.expires_at, None))
    server.pause()
    with pytest.raises(StoreUnavailable):
        parts.background.flush()
    server.resume()
    until(lambda: _flushed(parts))
    before = server.client.info("stats")["total_reads_processed"]
    found = [parts.blocking_store.get(each.id, now=now()).record for each in records]
    assert found == [changed(each, seen_at=later) for each in records]
    assert server.client.info("stats")["total_reads_processed"] - before >= 250
    parts.close()


def _flushed(parts):
    try:
        parts.background.flush()
    except StoreUnavailable:
        return False
    return True
