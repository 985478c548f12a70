"""What express-session with connect-redis leaves: nothing counts that it has not signed."""

import hmac
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import connect_redis

ID = "Jc4Zz0vP1Wn0dcJmJ3BvVQdX3rQnKp2u"
SECRET = b"the old secret"
# Made by Node with the secret `tobiiscool`, as cookie-signature does it.
KNOWN = "s%3Ahello.DGDUkGlIkCzPz%2BC0B064FNgHdEjox7ch8tOBGslZ5QI"


def signed(id=ID, secret=SECRET):
    signature = b64encode(hmac.digest(secret, id.encode(), "sha256")).rstrip(b"=").decode()
    return f"s:{id}.{signature}"


def test_a_cookie_as_node_signs_it():
    assert connect_redis.session_id(KNOWN, (b"tobiiscool",)) == "hello"
    assert connect_redis.session_id(KNOWN, (b"luna",)) is None


@pytest.mark.parametrize("spelling", [str, lambda text: quote(text, safe="")])
def test_a_signed_id(spelling):
    """By any of the secrets; Express encodes it, and some proxies decode it."""
    assert connect_redis.session_id(spelling(signed()), (b"newer", SECRET)) == ID


def test_an_id_of_the_applications_own_making():
    """`genid` may use any characters."""
    assert connect_redis.session_id(quote(signed("a.b:c/d")), (SECRET,)) == "a.b:c/d"


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "s:",
        "s:.",
        ID,
        f"s:{ID}",
        f"s:{ID}.",
        signed()[2:],
        signed(secret=b"other"),
        signed()[:-1],
        signed() + "=",
        f"s:{ID}x{signed()[2 + len(ID) :]}",
        "j:" + signed()[2:],
        "s:" + signed(""),
        signed("a\nb"),
        signed("é"),
        signed("x" * 201),
        "s:" + "%41" * 5000,
    ],
)
def test_what_does_not_count(cookie):
    assert connect_redis.session_id(cookie, (SECRET,)) is None


def test_without_a_secret_nothing_counts():
    assert connect_redis.session_id(signed(secret=b""), ()) is None


@given(st.text(max_size=300))
def test_any_text(text):
    assert connect_redis.session_id(text, (SECRET,)) is None


def test_a_value():
    """Without what belongs to express-session itself."""
    raw = b'{"cookie": {"originalMaxAge": 1}, "passport": {"user": 7}}'
    assert connect_redis.decode(raw) == {"passport": {"user": 7}}


@given(st.binary(max_size=200))
def test_any_bytes(raw):
    found = connect_redis.decode(raw)
    assert found is None or "cookie" not in found
