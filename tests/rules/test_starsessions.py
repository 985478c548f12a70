"""What starsessions leaves: the cookie is the id, the value is JSON."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import starsessions

ID = "0123456789abcdef0123456789abcdef"


def test_a_cookie_is_an_id():
    assert starsessions.session_id(ID) == ID


@pytest.mark.parametrize(
    "cookie", ["", "''", "short", ID + ".", ID + "\n", "a" * 129, "é" * 32, "*"]
)
def test_other_shapes(cookie):
    assert starsessions.session_id(cookie) is None


def test_a_value():
    """Without what belongs to starsessions itself."""
    raw = b'{"user_id": 7, "__metadata__": {"created": 1.5}}'
    assert starsessions.decode(raw) == {"user_id": 7}


def test_a_pickle_is_nobodys_session():
    """It is not loaded (P39)."""
    assert starsessions.decode(pickle.dumps({"user_id": 7})) is None


@given(st.binary(max_size=200))
def test_any_bytes(raw):
    found = starsessions.decode(raw)
    assert found is None or "__metadata__" not in found
