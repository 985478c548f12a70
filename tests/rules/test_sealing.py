"""Sealed data opens with its own cookie's secret, for its own session, or not at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.rules import sealing

GOLDEN = json.loads((Path(__file__).parent.parent / "vectors" / "sealing.json").read_text())
SECRET, ID, NONCE = bytes(range(32)), "ab1session", bytes(12)
DATA = b'{"iban":"DE00"}'
SEALED = sealing.seal(SECRET, ID, DATA, NONCE)


def test_the_store_sees_nothing_of_the_data():
    """And the cookie's secret opens it."""
    assert b"iban" not in SEALED
    assert SECRET not in SEALED
    assert sealing.unseal(SECRET, ID, SEALED) == DATA


def test_another_secret_or_session_opens_nothing():
    """Rows swapped in the store are as good as damaged ones."""
    assert sealing.unseal(SECRET[::-1], ID, SEALED) is None
    assert sealing.unseal(SECRET, "ab1other", SEALED) is None


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_every_byte_is_authenticated(at):
    """Version, nonce, ciphertext and tag."""
    changed = bytearray(SEALED)
    changed[at] ^= 1
    assert sealing.unseal(SECRET, ID, bytes(changed)) is None


@given(st.binary(max_size=100))
def test_junk_is_a_value(junk):
    """Never raises."""
    assert sealing.unseal(SECRET, ID, junk) is None
    assert sealing.unseal(SECRET, ID, b"\x01" + junk) is None


@given(
    st.binary(min_size=32, max_size=32),
    st.text(max_size=40),
    st.binary(max_size=500),
    st.binary(min_size=12, max_size=12),
)
def test_round_trip(secret, id, data, nonce):
    """For every secret, id, content and nonce."""
    assert sealing.unseal(secret, id, sealing.seal(secret, id, data, nonce)) == data


def test_cuts_are_refused():
    """A record that was truncated."""
    for end in range(len(SEALED)):
        assert sealing.unseal(SECRET, ID, SEALED[:end]) is None


def test_a_short_nonce_is_a_mistake_of_the_caller():
    """A nonce that comes twice would break the cipher."""
    with pytest.raises(UsageError):
        sealing.seal(SECRET, ID, DATA, b"short")


def test_the_format_is_frozen():
    """Data sealed by an older release must open after an upgrade."""
    arguments = bytes.fromhex(GOLDEN["secret"]), GOLDEN["id"]
    data, nonce = GOLDEN["data"].encode(), bytes.fromhex(GOLDEN["nonce"])
    assert sealing.seal(*arguments, data, nonce).hex() == GOLDEN["sealed"]
    assert sealing.unseal(*arguments, bytes.fromhex(GOLDEN["sealed"])) == data
