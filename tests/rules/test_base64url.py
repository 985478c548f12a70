"""One text for each sequence of bytes, one sequence of bytes for each text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import base64url


@given(st.binary(max_size=200))
def test_round_trip(raw):
    """Whatever is written is read."""
    assert base64url.decode(base64url.encode(raw)) == raw


@given(st.text(max_size=60) | st.text("AQgw-_+/=. ", max_size=12))
def test_a_text_is_refused_or_the_only_one_for_its_bytes(text):
    """Never raises; no two texts mean the same bytes."""
    raw = base64url.decode(text)
    assert raw is None or base64url.encode(raw) == text


@pytest.mark.parametrize(
    "text",
    ["AB", "AQ==", "A", "A+AA", "A/AA", "AA A", "AA\n", "AAA.", "ÄÄÄÄ", "\ud800AAA", "AA\0A"],
)
def test_lenient_spellings_are_refused(text):
    """R89: trailing bits, padding, the other alphabet, white space and junk."""
    assert base64url.decode(text) is None
