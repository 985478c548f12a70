"""What the scripts keep on the server: quotas as the rule has them, compact lists, nothing left behind."""

import hashlib
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdfast.errors import RecordReadOnly
from holdfast.protocols import Take
from holdfast.record import changed
from holdfast.rules import quota
from holdfast.stores.redis import scripts
from holdfast.testing.contracts.samples import listed, pages

FIXED = {"suppress_health_check": [HealthCheck.function_scoped_fixture], "deadline": None}


@settings(max_examples=40, **FIXED)
@example(limit=1, period=15, start=10, steps=[2.0, -1.0, -2.0, -2.0, 1.0])
@given(
    limit=st.integers(0, 12),
    period=st.sampled_from([1, 15, 16, 1000, 60_007, 900_000]),
    start=st.integers(1, 2**42),
    steps=st.lists(st.floats(-2.5, 2.5), max_size=40),
)
def test_quotas_are_those_of_the_rule(single, limit, period, start, steps):
    """For any limit, period and course of time the server answers what the rule answers."""
    text = scripts.TAKE.text.replace(b"now_ms())", b"tonumber(ARGV[3]))")
    text = text.replace(b", 'PXAT', leaves_at(newest, period))", b")")  # a key of its own time
    script, key = single.client.register_script(text), "quota"
    single.client.delete(key)
    state, now = None, start
    for step in steps:
        now = max(now + int(step * period / 4), 1)
        state, expected = quota.take(state, limit=limit, period=period, now=now)
        found = script(keys=[key], args=[limit, period, now])
        assert found == [int(expected.allowed), expected.remaining, expected.retry_after]


def test_leaves_split_and_go(single, store, samples, clock):
    """However many records a tag has, each leaf stays compact, and the last record takes the last key."""
    records = samples.several(700, "alice")
    leaves = [key for key in single.client.keys("hfl{*") if single.client.type(key) == b"zset"]
    sizes = [single.client.zcard(key) for key in leaves]
    assert sum(sizes) == 700
    assert max(sizes) <= 127
    assert len(sizes) < 15
    assert all(single.client.object("encoding", key) == b"listpack" for key in leaves)
    ids = [record.id for page in pages(store, limit=90) for record in page]
    assert ids == sorted(record.id for record in records)
    random.shuffle(records)
    for record in records[:300]:
        assert store.delete(record.id, durable=False)
    assert listed(store) == sorted(record.id for record in records[300:])
    assert len(store.delete_all("alice")) == 400
    kept = {key[:3] for key in single.client.keys("hf*")}
    assert kept <= {b"hfk", b"hfz", b"hfe"}


def test_nothing_is_left_of_an_epoch(single, store, samples, clock):
    """After everybody's sessions were ended, the purge clears away every key of theirs."""
    samples.several(300, "alice")
    samples.several(20, None)
    store.bump_epoch()
    samples.several(3, "alice")
    while store.purge(now=clock(), limit=50):
        pass
    assert len(single.client.keys("hfr*")) == 3
    assert len(single.client.keys("hfs*")) == 1
    store.delete_all("alice")
    kept = {key[:3] for key in single.client.keys("hf*")}
    assert kept <= {b"hfk", b"hfz", b"hfe"}


def test_every_verb_survives_a_script_flush(single, store, samples, clock):
    """A server that has forgotten the scripts is given them again, within the same call."""
    record = samples.stored()

    def forgetful(verb, *args, **kwargs):
        single.client.script_flush()
        return verb(*args, **kwargs)

    assert forgetful(store.get, record.id, now=clock()).record == record
    taken = forgetful(store.get, record.id, now=clock(), take=Take(f"s/{record.id}/", 1, 1000))
    assert taken.taken.allowed
    assert forgetful(store.touch, record.id, seen_at=clock(), expires_at=record.expires_at)
    assert forgetful(store.update, changed(record, version=1), expected=record.version)
    assert len(forgetful(store.page, "alice").records) == 1
    assert len(forgetful(store.page).records) == 1
    assert forgetful(store.take, "key", limit=1, period=1000, now=clock()).allowed
    assert forgetful(store.purge, now=clock()) == 0
    assert forgetful(store.delete, record.id)
    assert forgetful(store.delete_all, "alice") == ()
    assert forgetful(store.bump_epoch) == 1


def test_a_quota_rides_on_the_reading(single, store, samples, clock):
    """A session's own quota costs no second round trip (§12)."""
    record = samples.stored()
    take = Take(f"s/{record.id}/100/900000", 100, 900_000, record.secret_hash)
    store.get(record.id, now=clock(), take=take)
    single.client.config_resetstat()
    assert store.get(record.id, now=clock(), take=take).taken.remaining == 98
    assert single.client.info("commandstats")["cmdstat_evalsha"]["calls"] == 1


def test_two_releases_side_by_side(single, store, samples, clock, opening, monkeypatch):
    """Another release has other scripts, and neither minds the other's."""
    record = samples.stored()
    for name, script in vars(scripts).copy().items():
        if isinstance(script, scripts.Script):
            text = script.text + b"\n-- a later release"
            sha = hashlib.sha1(text).hexdigest().encode()
            monkeypatch.setattr(scripts, name, script._replace(text=text, sha=sha))
    newer = opening(single.url)
    assert newer.update(changed(record, version=1), expected=record.version)
    monkeypatch.undo()
    assert store.update(changed(record, version=2), expected=1)


def test_a_newer_layout_is_left_alone(single, store, samples, clock):
    """A record of a layout to come cannot be rewritten here, is on no page, and can be ended."""
    record = samples.stored()
    key = f"hfr{{{record.id[:2]}}}{record.id[2:]}"
    single.client.setrange(key, 0, b"\2")
    with pytest.raises(RecordReadOnly):
        store.get(record.id, now=clock())
    with pytest.raises(RecordReadOnly):
        store.update(changed(record, version=1), expected=record.version)
    with pytest.raises(RecordReadOnly):
        store.touch(record.id, seen_at=clock(), expires_at=clock())
    assert store.delete(record.id)
    assert store.get(record.id, now=clock()).record is None
