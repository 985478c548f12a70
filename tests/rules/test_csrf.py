"""CSRF tokens belong to one session, and the pre-session cookie cannot be made up."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.rules import csrf

GOLDEN = json.loads((Path(__file__).parent.parent / "vectors" / "csrf.json").read_text())
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
PAD = bytes(range(32))
NONCE = bytes(range(16))
HASH = b"h" * 32
BINDING = csrf.session_binding("session-1", HASH)
TOKEN = csrf.token(KEY, BINDING, PAD)
SECRET = csrf.secret(KEY, BINDING)
PRESESSION = csrf.presession(KEY, NONCE, 1_000)


def replace(text, at, character):
    return text[:at] + character + text[at + 1 :]


def test_a_token_is_accepted_for_its_session():
    """And each mask gives another text (BREACH)."""
    assert csrf.verify([KEY], BINDING, TOKEN)
    second = csrf.token(KEY, BINDING, bytes(32))
    assert csrf.verify([KEY], BINDING, second)
    assert second != TOKEN


def test_a_token_is_refused_for_every_other_session():
    """R74, P55: another id, the same id after a rotation, the time before sign-in."""
    assert not csrf.verify([KEY], csrf.session_binding("session-2", HASH), TOKEN)
    assert not csrf.verify([KEY], csrf.session_binding("session-1", b"i" * 32), TOKEN)
    assert not csrf.verify([KEY], csrf.presession_binding(NONCE), TOKEN)


def test_all_keys_of_the_ring_are_tried_and_no_other():
    """A form that was rendered before a key rotation still works."""
    assert csrf.verify([OTHER_KEY, KEY], BINDING, TOKEN)
    assert not csrf.verify([OTHER_KEY], BINDING, TOKEN)
    assert not csrf.verify([], BINDING, TOKEN)


def test_bindings_do_not_collide_when_parts_move():
    """P38: (ab, c) is not (a, bc), and a nonce is no session."""
    assert csrf.session_binding("ab", b"c") != csrf.session_binding("a", b"bc")
    assert csrf.session_binding("", b"n") != csrf.presession_binding(b"n")


@pytest.mark.parametrize("at", range(len(TOKEN)))
def test_each_character_of_a_token_counts(at):
    """Also the last, whose low bits a lenient decoder ignores."""
    for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        changed = replace(TOKEN, at, character)
        assert csrf.verify([KEY], BINDING, changed) == (changed == TOKEN)


def test_a_secret_is_bound_as_a_token_is():
    """A framework that masks by itself is told 32 letters and digits, for this session alone."""
    assert re.fullmatch("[A-Za-z0-9]{32}", SECRET)
    assert csrf.verify([OTHER_KEY, KEY], BINDING, SECRET)
    assert not csrf.verify([OTHER_KEY], BINDING, SECRET)
    assert not csrf.verify([KEY], csrf.session_binding("session-1", b"i" * 32), SECRET)
    assert not csrf.verify([KEY], csrf.presession_binding(NONCE), SECRET)


@pytest.mark.parametrize("at", range(len(SECRET)))
def test_each_character_of_a_secret_counts(at):
    """190 bits, none of them idle."""
    for character in "AZaz09é":
        changed = replace(SECRET, at, character)
        assert csrf.verify([KEY], BINDING, changed) == (changed == SECRET)


@pytest.mark.parametrize(
    "text",
    ["", "c1", TOKEN[:-1], TOKEN + "A", TOKEN + "=", TOKEN[2:], "c2" + TOKEN[2:], " " + TOKEN,
     TOKEN * 2, "c1" + "é" * 86, PRESESSION, "A" * 1_000_000],
)  # fmt: skip
def test_other_shapes_are_refused(text):
    """Length and shape are checked before any key is used."""
    assert not csrf.verify([KEY], BINDING, text)


@given(st.text(max_size=100) | st.text("c1AQgw-_", min_size=88, max_size=88))
def test_no_text_raises_or_passes(text):
    """Nobody finds a token by trying."""
    assert not csrf.verify([KEY], BINDING, text)
    assert csrf.open_presession([KEY], text, 0) is None


@given(
    st.binary(min_size=1, max_size=64), st.binary(max_size=64), st.binary(min_size=32, max_size=32)
)
def test_every_token_verifies(key, binding, pad):
    """For every key, binding and mask."""
    assert csrf.verify([key], binding, csrf.token(key, binding, pad))


def test_the_pre_session_cookie_gives_its_nonce_until_it_expires():
    """Nothing is stored on the server; the second of the end is past the end."""
    assert csrf.open_presession([KEY], PRESESSION, 999) == NONCE
    assert csrf.open_presession([OTHER_KEY, KEY], PRESESSION, 999) == NONCE
    assert csrf.open_presession([KEY], PRESESSION, 1_000) is None


def test_a_planted_pre_session_cookie_needs_our_key():
    """P55: a sibling subdomain can set a cookie, not sign one."""
    assert csrf.open_presession([KEY], csrf.presession(OTHER_KEY, NONCE, 1_000), 0) is None
    assert csrf.open_presession([], PRESESSION, 0) is None


@pytest.mark.parametrize("at", range(len(PRESESSION)))
def test_each_character_of_the_pre_session_cookie_counts(at):
    """Nonce, expiry and signature alike."""
    for character in "AQgwz09_-":
        changed = replace(PRESESSION, at, character)
        assert (csrf.open_presession([KEY], changed, 0) == NONCE) == (changed == PRESESSION)


def test_masks_and_nonces_of_the_wrong_length_are_a_mistake_of_the_caller():
    """Too little randomness must not go unnoticed."""
    with pytest.raises(UsageError):
        csrf.token(KEY, BINDING, b"short")
    with pytest.raises(UsageError):
        csrf.presession(KEY, b"short", 1_000)


def test_formats_are_frozen():
    """Tokens and cookies of an older release must verify after an upgrade."""
    key = bytes.fromhex(GOLDEN["key"])
    session = csrf.session_binding(GOLDEN["id"], bytes.fromhex(GOLDEN["secret_hash"]))
    nonce = bytes.fromhex(GOLDEN["nonce"])
    assert session.hex() == GOLDEN["session_binding"]
    assert csrf.presession_binding(nonce).hex() == GOLDEN["presession_binding"]
    assert csrf.token(key, session, bytes.fromhex(GOLDEN["pad"])) == GOLDEN["token"]
    assert csrf.secret(key, session) == GOLDEN["secret"]
    assert csrf.presession(key, nonce, GOLDEN["expires_at_s"]) == GOLDEN["presession"]
