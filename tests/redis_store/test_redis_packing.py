"""What is packed beforehand is, to the byte, what packing the whole command gives."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.protocols import Take
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


@given(
    st.integers(0, 1023),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.integers(0, 2**48),
    st.integers(1, 2**48),
    st.none() | st.binary(min_size=32, max_size=32),
)
def test_a_reading_with_a_quota(tag, rest, limit, period, proof):
    """With a proof and without."""
    id = new_id(tag, os.urandom(16))
    take = Take(f"s/{id}/{rest}", limit, period, proof)
    place, name = KEYS.quota(take.key, period)
    more = () if proof is None else (proof,)
    assert place == id[:2]
    assert CALLS.take(id, take) == command(scripts.GET_AND_TAKE, 3, id, name, limit, period, *more)


def test_the_kinds_of_quotas_are_kept_within_a_bound():
    """However many an application makes of them."""
    id = new_id(7, bytes(16))
    for number in range(250):
        assert CALLS.take(id, Take(f"s/{id}/x", number, 1000))
    assert len(CALLS._takes) <= 100


@given(ids, st.integers(0, 2**64 - 1), st.binary(max_size=300))
def test_a_change(id, version, value):
    """One that need not be durable."""
    whole = command(scripts.UPDATE, 2, id, id[2:], packed_version(version), value, 0)
    assert CALLS.update(id, packed_version(version), value) == whole


def test_other_quotas_are_packed_from_their_parts():
    """Those of another session, of no session, and for an id or a proof that nobody ever made."""
    id = new_id(7, bytes(16))
    for key in (f"x/{id}/1", f"s/{id}", f"s/{new_id(8, bytes(16))}/1", "s//1"):
        assert CALLS.take(id, Take(key, 1, 1000)) is None
    for odd in ("", "\ud800", "a" * 24, "ä" * 25, "ä" * 12 + "a"):
        assert CALLS.take(odd, Take(f"s/{odd}/1", 1, 1000)) is None
    assert CALLS.take(id, Take(f"s/{id}/1", 1, 1000, b"short")) is None


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
