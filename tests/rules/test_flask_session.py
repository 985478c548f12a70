"""What Flask-Session leaves: read as it wrote it, and nothing else; a pickle is not even looked at."""

import pickle
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from holdfast.rules import flask_session

ID = "x1YqH3y9aHcyQG0mB6m3DgFhqYVq9mS2b1u7b0F3k8A"
SECRET = b"the old secret"


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def signed(id=ID, secret=SECRET):
    return Signer(secret, salt="flask-session", key_derivation="hmac").sign(id).decode()


def test_a_bare_id():
    assert flask_session.session_id(ID, ()) == ID


def test_a_signed_id():
    """By any of the secrets, as itsdangerous signs it."""
    assert flask_session.session_id(signed(), (b"newer", SECRET)) == ID


@pytest.mark.parametrize(
    "cookie",
    [
        ID,
        f"{ID}.",
        signed(secret=b"other"),
        signed()[:-1],
        signed() + "A",
        "." + signed(),
        f".{ID}",
        f"{ID}.\ud800",
        f"{ID}.é",
    ],
)
def test_what_is_not_signed(cookie):
    assert flask_session.session_id(cookie, (SECRET,)) is None


@pytest.mark.parametrize(
    "cookie", ["", "short", ID + ".", ID + "\n", "a" * 129, "é" * 32, "../" * 9]
)
def test_other_shapes(cookie):
    assert flask_session.session_id(cookie, ()) is None


@given(st.text(max_size=200))
def test_any_text(text):
    """It is nobody's, or an id of the one shape, and never an exception."""
    assert flask_session.session_id(text, (SECRET,)) is None
    assert flask_session.session_id(text, ()) in {None, text}


def test_both_formats():
    """MessagePack, which also holds moments, and JSON."""
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    values = {"_user_id": "ada", "at": moment}
    assert flask_session.decode(msgspec.msgpack.encode(values)) == values
    assert flask_session.decode(b'{"_user_id": "ada"}') == {"_user_id": "ada"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_nobodys_session(protocol):
    """It is not loaded (P39): loading one runs what somebody wrote into it."""
    for value in ({"_user_id": "ada"}, Evil()):
        assert flask_session.decode(pickle.dumps(value, protocol)) is None


@given(st.binary(max_size=200))
def test_any_bytes(raw):
    """A mapping with text as keys, or nothing."""
    found = flask_session.decode(raw)
    assert found is None or all(isinstance(key, str) for key in found)
