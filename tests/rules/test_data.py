"""Session data: plain JSON comes back as it was, changes are found by key, conflicts are told."""

import enum
import json
import sys
from collections import OrderedDict, UserDict, defaultdict, deque
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import Conflict, NotSerializable, TooLarge
from holdfast.rules import data
from holdfast.rules.data import Edit

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["a", "b", "c", "é", ""])
objects = st.dictionaries(keys, values, max_size=4)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Colour(enum.StrEnum):
    RED = "red"


def increment(found):
    found["n"] = found.get("n", 0) + 1


# There and back


@given(objects)
def test_what_goes_in_comes_out(found):
    """Our bytes are JSON for everybody, and give the same values back (P39: nothing runs)."""
    raw = data.encode(found)
    assert data.decode(raw) == found
    assert json.loads(raw) == found
    assert data.well_formed(raw)
    assert data.canonical(raw) == raw
    data.require_json(found)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ((1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        (Text("x"), "x"),
        ({Text("k"): [Text("x")]}, {"k": ["x"]}),
        (Whole(7), 7),
        (Real(1.5), 1.5),
        (Colour.RED, "red"),
        (True, True),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_what_equals_json_is_json(given_, kept):
    """Tuples, other dicts, and texts and numbers of a subclass, as templates and enums make them."""
    data.require_json(given_)
    (found,) = data.decode(data.encode({"k": given_})).values()
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1, 2},
        datetime(2026, 1, 1, tzinfo=UTC),
        Decimal(1),
        UserDict(a=1),
        deque([1]),
        {1: 2},
        {None: 1},
        {b"k": 1},
        float("nan"),
        float("inf"),
        Real("nan"),
        2**63,
        -(2**63) - 1,
        "\ud800",
        pytest.param(object(), id="object"),
        pytest.param(msgspec.Raw(b"1"), id="raw"),
    ],
    ids=repr,
)
def test_what_would_come_back_as_something_else_is_refused(value):
    """Also what the encoder would take: a set as a list, NaN as null, 1 as the key "1"."""
    for place in ({"k": value}, {"k": [{"deep": value}]}):
        with pytest.raises(NotSerializable, match=r"^session\['k'\]"):
            data.require_json(place)


def test_the_place_is_named_and_the_value_is_not():
    """A message can be logged (R158)."""
    with pytest.raises(NotSerializable) as caught:
        data.encode({"card": {"numbers": ["4111", {"hunter2"}, object()]}})
    assert str(caught.value).startswith("session['card']['numbers'][1] is of type set")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(NotSerializable, match=r"is an integer of more than 64 bits, .* cannot"):
        data.require_json({"k": 2**70})  # who stores a plain number wonders otherwise


def test_what_contains_itself_is_refused():
    """Bounded work for a structure without an end (P37)."""
    endless = []
    endless.append(endless)
    with pytest.raises(NotSerializable, match="64 deep, or contains itself"):
        data.require_json({"k": endless})
    with pytest.raises(NotSerializable) as caught:
        data.encode({"k": endless})
    assert len(str(caught.value)) < 160


def test_depth_has_a_limit():
    """64 levels with the object itself, no more."""
    deepest = 0
    for _ in range(62):
        deepest = [deepest]
    data.require_json({"k": deepest})
    with pytest.raises(NotSerializable):
        data.require_json({"k": [deepest]})


@pytest.mark.parametrize("key", [1, None, b"k", ("a",), 1.5, True])
def test_keys_are_text(key):
    """1 and "1" would be one key."""
    with pytest.raises(NotSerializable, match="keys are str"):
        data.require_key(key)
    with pytest.raises(NotSerializable):
        data.require_edit(data.difference(b"{}", data.encode({})), {key: 1})
    data.require_key("")


def test_size_is_judged_in_bytes():
    """The limit itself fits; the message has both numbers."""
    data.require_fit(b"12345", 5)
    with pytest.raises(TooLarge, match="6 bytes; the limit is 5"):
        data.require_fit(b"123456", 5)


# What a store gave us


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b" {}",
        b"{",
        b'{"a":1',
        b'{"a":1,}',
        b'{"a":1}x',
        b'{"a":01}',
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\\ud800"}',
        b'{"a":nul}',
        b'{"a":"\n"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_damage_is_seen(raw):
    """Without decoding, and without an exception."""
    assert not data.well_formed(raw)


@given(objects.filter(bool), st.data())
def test_a_changed_byte_is_seen_or_gives_another_object(found, draw):
    """No stored bytes crash the reader."""
    raw = bytearray(data.encode(found))
    raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    if data.well_formed(bytes(raw)):
        assert isinstance(data.decode(bytes(raw)), dict)


@pytest.mark.parametrize(
    "number", [b"1e999", b"-1E+999", b"9" * 400 + b".5", b"1" + b"0" * 300 + b"e99"]
)
def test_a_number_beyond_all_ranges_is_the_largest(number):
    """Damage can make one of `1e99`; what is well-formed can be read, and be written again."""
    raw = b'{"a":' + number + b',"b":1e99,"c":0.5,"d":7}'
    assert data.well_formed(raw)
    found = data.decode(raw)
    assert abs(found["a"]) == sys.float_info.max
    assert (found["b"], found["c"], found["d"]) == (1e99, 0.5, 7)
    assert data.decode(data.encode(found)) == found


# Differences


def test_a_difference_names_what_was_set_and_removed():
    """By top-level key, as encoded values; order and unchanged keys do not count."""
    before, after = b'{"a":1,"b":[1],"c":0}', b'{"c":0,"b":[1,2],"d":null}'
    assert data.difference(before, after) == Edit({"b": b"[1,2]", "d": b"null"}, frozenset("a"))
    assert data.difference(b'{"a":1,"b":2}', b'{"b":2,"a":1}') == Edit({}, frozenset())


@given(objects, objects)
def test_a_difference_leads_from_one_to_the_other(before, after):
    """Replayed on what was read it gives exactly what was wanted."""
    old, new = data.encode(before), data.encode(after)
    assert data.decode(data.replay(old, old, [data.difference(old, new)])) == after


@given(objects, objects, objects)
def test_a_merge_loses_nothing(loaded, mine, theirs):
    """P3: after a merge both requests have what they wanted; otherwise the conflict is told."""
    old, ours, stored = map(data.encode, (loaded, mine, theirs))
    my, their = data.difference(old, ours), data.difference(old, stored)
    try:
        merged = data.fragments(data.replay(old, stored, [my]))
    except Conflict:
        both = (my.sets.keys() | my.drops) & (their.sets.keys() | their.drops)
        assert any(my.sets.get(key) != their.sets.get(key) for key in both)
        return
    for edit in (my, their):
        assert {key: merged.get(key) for key in edit.sets} == edit.sets
        assert not edit.drops & merged.keys()


@given(objects, objects, objects)
def test_the_last_write_wins_where_that_was_asked_for(loaded, mine, theirs):
    """By key: what we set is there, what we did not touch is theirs."""
    old, ours, stored = map(data.encode, (loaded, mine, theirs))
    my = data.difference(old, ours)
    merged = data.fragments(data.replay(old, stored, [my], last_wins=True))
    wanted = {**data.fragments(stored), **my.sets}
    assert merged == {key: value for key, value in wanted.items() if key not in my.drops}


def test_a_function_runs_on_fresh_data_in_its_place():
    """The journal keeps the order of edits and functions."""
    journal = [Edit({"n": b"5"}, frozenset()), increment, Edit({"m": b"1"}, frozenset())]
    fresh = b'{"n":1,"k":9}'
    assert data.decode(data.replay(b'{"n":1}', fresh, journal)) == {"n": 6, "k": 9, "m": 1}


def test_who_wrote_the_stored_bytes_does_not_matter():
    """Another writer's spaces are no change of the key."""
    edit = Edit({"a": b"[3]"}, frozenset())
    assert data.replay(b'{"a":[1,2]}', b'{ "a" : [1, 2] }', [edit]) == b'{"a":[3]}'
