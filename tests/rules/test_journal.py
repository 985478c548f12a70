"""A request's data: found changes, in order, and nothing of a change that failed."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import NotSerializable
from holdfast.rules import data
from holdfast.rules.data import Edit
from holdfast.rules.journal import Journal

keys = st.sampled_from("abc")
values = st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
objects = st.dictionaries(keys, values, max_size=3)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, values),
        st.tuples(st.just("drop"), keys, values),
        st.tuples(st.just("change"), keys, values),
        st.tuples(st.just("nested"), keys, values),
        st.tuples(st.just("look"), keys, values),
    ),
    max_size=8,
)


def act(journal, step):
    kind, key, value = step
    if kind == "set":
        journal.data[key] = value
    elif kind == "drop":
        journal.data.pop(key, None)
    elif kind == "change":
        # A pure function, as is asked for: what it writes is its own each time it runs.
        journal.change(lambda found: found.update({key: copy.deepcopy(value)}))
    elif kind == "nested":
        if isinstance(journal.data.get(key), list):
            journal.data[key].append(7)
    else:
        journal.entries()


def test_looking_is_no_change():
    """Reading, and writing what was there, leaves nothing to do (P2)."""
    journal = Journal(b'{"a":1,"b":[1]}')
    journal.data["a"] = 1
    journal.data["b"] = [1]
    assert (journal.changed, journal.entries(), journal.current) == (False, [], journal.loaded)


def test_nested_changes_count():
    """They are found by comparing with what was read."""
    journal = Journal(b'{"a":{"b":[1]}}')
    journal.data["a"]["b"].append(2)
    assert journal.changed
    assert journal.entries() == [Edit({"a": b'{"b":[1,2]}'}, frozenset())]


def test_what_is_taken_back_is_no_change():
    """Even if somebody looked in between."""
    journal = Journal(b'{"a":1}')
    journal.data["a"] = 2
    assert journal.changed
    journal.data["a"] = 1
    assert not journal.changed


def test_a_function_is_kept_as_a_function():
    """Between the edits before and after it, so that it can run again (P3)."""
    journal = Journal(b'{"n":1}')
    journal.data["a"] = 1

    def increment(found):
        found["n"] += 1

    journal.change(increment)
    journal.data["b"] = 1
    assert journal.entries() == [
        Edit({"a": b"1"}, frozenset()),
        increment,
        Edit({"b": b"1"}, frozenset()),
    ]
    assert journal.current == b'{"n":2,"a":1,"b":1}'


@pytest.mark.parametrize("mishap", [KeyError("stop"), KeyboardInterrupt()])
def test_a_function_that_raises_changes_nothing(mishap):
    """Nor does one that was interrupted."""
    journal = Journal(b'{"n":[1]}')

    def half(found):
        found["n"].append(2)
        raise mishap

    with pytest.raises(type(mishap)):
        journal.change(half)
    assert (journal.changed, journal.data) == (False, {"n": [1]})


@pytest.mark.parametrize("value", [{1}, b"x", float("nan"), 2**64])
def test_a_function_that_leaves_no_json_changes_nothing(value):
    """Also where the encoder would have taken it."""
    journal = Journal(b'{"n":1}')
    with pytest.raises(NotSerializable, match=r"session\['n'\]"):
        journal.change(lambda found: found.update(n=value))
    assert (journal.changed, journal.data) == (False, {"n": 1})


def test_an_edit_that_is_no_json_is_told_each_time():
    """Not only the first time somebody asks."""
    journal = Journal(b"{}")
    journal.data["n"] = {1}
    for _ in range(2):
        with pytest.raises(NotSerializable):
            journal.entries()
    journal.data["n"] = 1
    assert journal.changed


def test_what_was_read_stays_even_if_we_would_write_it_otherwise():
    """Another writer's spaces are no change of ours."""
    assert not Journal(b'{ "a" : 1 }').changed


@given(objects, steps)
def test_the_journal_leads_to_the_data(before, acts):
    """Replayed on what was read, it gives what the request sees; a change is a difference."""
    raw = data.encode(before)
    journal = Journal(raw)
    for step in acts:
        act(journal, step)
    seen = dict(journal.data)
    assert data.decode(data.replay(raw, raw, journal.entries())) == seen
    assert data.decode(journal.current) == seen
    if journal.changed:
        assert journal.entries()
    else:
        assert seen == before
