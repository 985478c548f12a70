"""What is packed beforehand is, to the byte, what packing the whole command gives."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules.secret import new_id
from holdfast.stores.redis import scripts
from holdfast.stores.redis.core import Core
from holdfast.stores.redis.keys import Keys, subject_of
from holdfast.stores.redis.reads import PackedCalls, call_of_get
from holdfast.stores.redis.target import target
from holdfast.stores.redis.values import packed_version
from holdfast.stores.redis.wire import pack

KEYS = Keys("hf")
CALLS = PackedCalls(KEYS)
ids = st.one_of(
    st.builds(lambda tag: new_id(tag, os.urandom(16)), st.integers(0, 1023)),
    st.text(max_size=40),
    st.text("aä", min_size=25, max_size=25),
)
numbers = st.integers(0, 2**48)


def command(script, given, id, *more):
    return pack((("EVALSHA", script.sha, given, *KEYS.record(id), *more),))


@given(ids)
def test_a_reading(id):
    """Of any id, also one that nobody ever made."""
    assert CALLS.get(id) == pack((call_of_get(KEYS, id).command(),))


@given(ids, st.binary(max_size=60), numbers, numbers, st.none() | st.binary(max_size=32))
def test_a_reading_with_a_quota(id, quota, limit, period, proof):
    """With a proof and without."""
    more = () if proof is None else (proof,)
    whole = command(scripts.GET_AND_TAKE, 3, id, quota, limit, period, *more)
    assert CALLS.get_and_take(id, quota, limit, period, proof) == whole


@given(ids, st.integers(0, 2**64 - 1), st.binary(max_size=300))
def test_a_change(id, version, value):
    """One that need not be durable."""
    whole = command(scripts.UPDATE, 2, id, id[2:], packed_version(version), value, 0)
    assert CALLS.update(id, packed_version(version), value) == whole


def test_the_quota_of_a_session_is_found_at_once():
    """Where it is known without looking closer, it is the same key; other quotas are looked up."""
    id = new_id(7, bytes(16))
    place, key = KEYS.quota(f"s/{id}/100/900000", 900_000)
    assert (place, key) == (id[:2], KEYS.quota_beside(id, f"s/{id}/100/900000", 900_000))
    for other in (f"x/{id}/1", f"s/{id}", f"s/{new_id(8, bytes(16))}/1", f"s/{id}/ä", "s//1"):
        assert KEYS.quota_beside(id, other, 1000) is None


@pytest.mark.parametrize("count", [0, 1, 9_999, 10_000, 10_001])
def test_places_of_subjects_are_kept_within_a_bound(count):
    """And they are those that the salt gives."""
    core = Core(target("redis://127.0.0.1:1"), 1.0)
    for number in range(count):
        core.place_of(str(number), b"salt")
    assert len(core._places) <= 10_000
    assert core.place_of("ada", b"salt") == subject_of("ada", b"salt")
    assert core.place_of("ada", b"other") == subject_of("ada", b"other")
    assert core.place_of("ada", b"salt") is core.place_of("ada", b"salt")
    assert core.place_of(None, b"salt") is None
