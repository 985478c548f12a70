"""The record codec is frozen in both directions, keeps what it does not know, and survives junk."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.samples import ROW, WRITTEN
from holdfast.errors import RecordReadOnly
from holdfast.record import Assurance, Client, Record, changed, decode, encode

GOLDEN = {
    name: bytes.fromhex(text)
    for name, text in json.loads(
        (Path(__file__).parent.parent / "vectors" / "records.json").read_text()
    ).items()
}
WHOLE = GOLDEN["signed_in"]


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_frozen(name):
    """Each record is written as exactly these bytes."""
    assert encode(WRITTEN[name]).hex() == GOLDEN[name].hex()


@pytest.mark.parametrize("name", WRITTEN)
def test_what_was_written_is_read(name):
    """And these bytes give the record back, with what `touch` keeps beside them."""
    record = decode(GOLDEN[name], 5, 6, "192.0.2.9")
    told = changed(WRITTEN[name], seen_at=5, expires_at=6, address="192.0.2.9")
    assert encode(record) == encode(told)
    assert changed(record, extensions=()) == changed(told, extensions=())


def test_fields_that_an_older_release_did_not_write_have_their_defaults():
    """A body that ends early is a record of before those fields, not a damaged one."""
    record = decode(GOLDEN["without_later_fields"], *ROW)
    assert record == changed(WRITTEN["anonymous"], address=ROW[2])
    assert (record.refresh, record.revoked, record.assurance) == (None, {}, Assurance())
    assert (record.client, record.bound_key, record.extensions) == (Client(), None, ())


def test_unknown_trailing_fields_are_kept_byte_for_byte():
    """A rewrite by this release strips nothing that a newer one has put there."""
    old = decode(GOLDEN["newer_minor"], *ROW)
    new = encode(changed(old, data=b'{"n":1}', version=7, refresh=None))
    kept = GOLDEN["newer_minor"][len(WHOLE) - 1 :]
    assert kept == b"\x93\xa5later\x82\xa1a\x01\xa1b\x92\xc3\xc0\xcd\x00\x07"
    assert new.endswith(kept)
    assert [bytes(each) for each in decode(new, *ROW).extensions] == [
        bytes(each) for each in old.extensions
    ]


def test_a_newer_major_of_this_shape_is_read_and_not_written():
    """It can be served; what would rewrite it is refused with 503."""
    record = decode(GOLDEN["newer_major"], *ROW)
    assert (record.format, record.subject) == (2, "ada@example.org")
    with pytest.raises(RecordReadOnly) as caught:
        encode(record)
    assert (caught.value.code, caught.value.http_status) == ("record_read_only", 503)


def test_a_newer_major_of_another_shape_is_not_damaged():
    """So nobody may end its session for that."""
    with pytest.raises(RecordReadOnly):
        decode(GOLDEN["newer_major_of_another_shape"], *ROW)


def test_a_record_that_was_cut_is_damaged():
    """Wherever it ends, nothing of it is believed."""
    assert {decode(WHOLE[:size], *ROW) for size in range(len(WHOLE))} == {None}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x90",
        b"\x80",
        b"\xc0",
        b"\x91\x01",
        b"\x91\xa1x",
        b'{"format":1}',
        WHOLE + b"\xc0",
        WHOLE.replace(b"ada@", b"\xff\xff\xff\xff"),
        b"\x91" * 100_000,
    ],
)
def test_what_is_no_record_is_damaged(raw):
    """Other shapes, invalid UTF-8, something behind the end, endless nesting."""
    assert decode(raw, *ROW) is None


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(raw):
    """Accepted as a record, refused as newer, or damaged; never another exception."""
    try:
        record = decode(raw, *ROW)
    except RecordReadOnly:
        return
    assert record is None or isinstance(record, Record)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_no_changed_byte_crashes_the_reader(at, byte):
    """The same for a record in which one byte was changed."""
    try:
        record = decode(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :], *ROW)
    except RecordReadOnly:
        return
    assert record is None or isinstance(record, Record)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(
    texts,
    st.dictionaries(texts, json_values, max_size=4),
    st.binary(max_size=100),
    st.integers(0, 2**64 - 1),
    st.lists(st.binary(max_size=20).map(msgspec.msgpack.encode), max_size=3),
)
def test_round_trip(subject, claims, data, version, later):
    """Whatever a record holds comes back as it was."""
    record = changed(
        WRITTEN["signed_in"],
        subject=subject,
        claims=claims,
        data=data,
        version=version,
        extensions=tuple(msgspec.Raw(each) for each in later),
    )
    again = decode(encode(record), record.seen_at, record.expires_at, record.address)
    assert encode(again) == encode(record)
    assert changed(again, extensions=()) == changed(record, extensions=())


def test_a_record_shows_nothing_of_itself():
    """No id, secret, subject or data in a log that prints one (R158)."""
    shown = repr(WRITTEN["signed_in"])
    assert shown == "<Record of a subject, format 1>"
