"""Pickles are read as data: nothing in one runs, and what is no JSON is refused."""

import builtins
import os
import pickle
import struct
from collections import OrderedDict, defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from holdfast.cli import unpickling
from holdfast.cli.unpickling import Refused, restore

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


def stand_ins():
    """What each of them is, in every detail."""
    return {name: dict(vars(each)) for name, each in unpickling._STAND_INS.items()}


BEFORE = stand_ins()
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON))
def test_json_comes_back(values):
    """By every protocol that there has been."""
    for protocol in PROTOCOLS:
        assert restore(pickle.dumps(values, protocol)) == values


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_frameworks_put_into_sessions(protocol):
    """Tuples become lists, texts that are marked as safe HTML plain ones."""
    values = {
        "_flashes": [("message", Markup("<b>hi</b>"))],
        "order": OrderedDict([("b", 1), ("a", 2)]),
    }
    found = restore(pickle.dumps(values, protocol))
    assert found == {"_flashes": [["message", "<b>hi</b>"]], "order": {"b": 1, "a": 2}}
    assert type(found["_flashes"][0][1]) is str
    assert type(found["order"]) is dict


class Calls:
    """Pickled as a call of this."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


RAN = []


def run(*arguments):
    """What must never be called."""
    RAN.append(arguments)


FORBIDDEN = {"os", "posix", "builtins", "antigravity", "markupsafe", "collections", __name__}
PROGRAMS = {
    "a function": pickle.dumps({"a": Calls(run)}),
    "a system call": pickle.dumps({"a": Calls(os.system, "exit 3")}),
    "eval": pickle.dumps({"a": Calls(eval, "run()")}),
    "an import": pickle.dumps({"a": Calls(__import__, "antigravity")}),
    "by protocol 0": b"cos\nsystem\n(S'exit 3'\ntR.",
    "by INST": b"(S'exit 3'\nios\nsystem\n.",
    "by OBJ": b"(cos\nsystem\nS'exit 3'\no.",
    "by NEWOBJ": b"\x80\x02cbuiltins\nstr\n)\x81.",
    "by NEWOBJ_EX": b"\x80\x04cbuiltins\nstr\n)}\x92.",
    "by an extension": b"\x80\x02\x82\x01.",
    "by a persistent id": b"Pabc\n.",
    "a dotted name": b"\x80\x04\x8c\x07markupsafe\x8c\x0fMarkup.__init__\x93.",
    "BUILD on a stand-in": b"cmarkupsafe\nMarkup\n(N(S'__new__'\nS'x'\ndtb.",
    "a stand-in of another kind": b"\x80\x02}U\x01acmarkupsafe\nMarkup\nK\x01\x85\x81s.",
    "a stand-in that is made full": b"\x80\x02}U\x01accollections\nOrderedDict\n]\x85Rs.",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_nothing_runs(program, monkeypatch):
    """Nor is anything imported, whatever else may happen."""
    asked = []
    honest = builtins.__import__

    def noting(name, *arguments, **named):
        asked.append(name)
        return honest(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", noting)
    with pytest.raises(Refused) as refused:
        restore(program)
    monkeypatch.undo()
    assert (RAN, [name for name in asked if name in FORBIDDEN]) == ([], [])
    assert "exit" not in str(refused.value)


def test_no_pickle_changes_how_the_next_is_read():
    """The stand-ins stay what they are."""
    for program in PROGRAMS.values():
        with pytest.raises(Refused):
            restore(program)
    assert stand_ins() == BEFORE


def shared():
    """A list that holds one list twice, which does, and so on: a billion at the end."""
    value = []
    for _ in range(30):
        value = [value, value]
    return value


def deep():
    value = []
    for _ in range(200):
        value = [value]
    return value


def circular():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (datetime(2025, 1, 1, tzinfo=UTC), "an object of datetime"),
        (Decimal(1), "an object of decimal.Decimal"),
        (Fraction(1), "an object of fractions.Fraction"),
        (defaultdict(int), "an object of collections.defaultdict"),
        (b"bytes", "a value of type bytes"),
        ({1}, "a value of type set"),
        ({1: 2}, "a key of type int"),
        (float("nan"), "a number or text that JSON cannot hold"),
        (2**70, "a number or text that JSON cannot hold"),
        ("\ud800", "a number or text that JSON cannot hold"),
        (shared(), "too many values"),
        (deep(), "too many values"),
        (circular(), "too many values"),
        (object(), "an object"),
        ("x" * (1024 * 1024), "more than 1048576 bytes"),
    ],
    ids=range(15),
)
def test_what_is_no_json(value, reason):
    """Refused, with a reason that shows no value."""
    with pytest.raises(Refused, match=f"^{reason}"):
        restore(pickle.dumps({"a": value}))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x",
        b"\x80",
        b"\x80\x63.",
        pickle.dumps([1]),
        pickle.dumps({"a": 1})[:-3],
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memory of sixteen gigabytes
        b"\x80\x02}p" + b"9" * 400 + b"\n.",
        b"}p-1\n.",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.",
        b"I" + b"9" * 100_000 + b"\n.",
        b"0.",
        b"}g7\n.",
    ],
)
def test_what_is_no_pickle(raw):
    """Nor of a mapping, or one that would take all memory."""
    with pytest.raises(Refused):
        restore(raw)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind(raw):
    """A mapping of JSON, or refused; nothing else ever comes."""
    for each in (raw, b"\x80\x04" + raw + b".", b"}" + raw + b"."):
        with suppress(Refused):
            assert type(restore(each)) is dict
