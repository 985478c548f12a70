"""Ids and cookies have one spelling, carry enough randomness, and show nothing."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import base64url, cookies, secret

tags = st.integers(0, 1023)
ids = st.builds(secret.new_id, tags, st.binary(min_size=16, max_size=16))
secrets = st.binary(min_size=32, max_size=32)
ID = secret.new_id(5, bytes(range(16)))
COOKIE = secret.cookie_text(ID, bytes(range(32)))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


@given(tags, st.binary(min_size=16, max_size=16))
def test_an_id_holds_its_tag_and_all_of_its_randomness(tag, random):
    """R3, R4: 128 bits, a group of 1 in 1,024, and nothing else."""
    id = secret.new_id(tag, random)
    assert (len(id), secret.valid_id(id)) == (25, True)
    assert id.endswith("1" + base64url.encode(random))
    assert secret.tag_of(id) == secret.tag_of(secret.new_id(tag, bytes(16)))


def test_each_tag_is_two_letters_of_its_own():
    """So a store can walk everything by tag."""
    assert len({secret.tag_of(secret.new_id(tag, bytes(16))) for tag in range(1024)}) == 1024


@given(ids, secrets)
def test_a_cookie_gives_both_halves_back(id, key):
    """R17, R62: what is parsed is what was written, and nothing else gives it."""
    text = secret.cookie_text(id, key)
    assert secret.parse_cookie(text) == secret.Token(id, key)
    assert len(text) == 71


@given(st.text(max_size=80) | st.text(ALPHABET, min_size=60, max_size=80))
def test_any_other_text_is_no_cookie(text):
    """R7: None, before anything is looked up, and never an exception."""
    assert secret.parse_cookie(text) is None
    assert not secret.valid_id(text)


@pytest.mark.parametrize("at", range(len(COOKIE)))
def test_a_cookie_has_one_spelling(at):
    """Each character counts: no second text stands for the same bytes (P38)."""
    for character in ALPHABET:
        other = COOKIE[:at] + character + COOKIE[at + 1 :]
        found = secret.parse_cookie(other)
        assert found is None or secret.cookie_text(found.id, found.secret) == other
        assert (found == secret.parse_cookie(COOKIE)) == (other == COOKIE)


@pytest.mark.parametrize("wrap", ["{}\n", "\n{}", " {}", "{} ", "{}\0", '"{}"', "{}=", "{0}{0}"])
def test_nothing_may_stand_around_it(wrap):
    """Not even a line end, which `$` would allow."""
    assert secret.parse_cookie(wrap.format(COOKIE)) is None
    assert not secret.valid_id(wrap.format(ID))


_NAME = "__Host-session"
_OTHER = secret.cookie_text(ID, bytes(32))
_PIECES = [
    f"{_NAME}={COOKIE}", f"{_NAME}={_OTHER}", f"{_NAME}={COOKIE}x", f"x{_NAME}={COOKIE}",
    f"x={_NAME}={COOKIE}", f"{_NAME}=", _NAME, f"{_NAME}-old={COOKIE}", "x=1", " ",
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=5), st.sampled_from([";", "; ", " ;", ", "]))
def test_a_glance_finds_what_a_close_look_finds(pieces, joint):
    """Or leaves it to the close look: no neighbour, and never one of twins (R59, R60)."""
    header = joint.join(pieces)
    found = secret.sole_cookie(header, f"{_NAME}=")
    values = cookies.read(header, _NAME)
    assert found is None or [found] == [secret.parse_cookie(each) for each in values]


def test_a_glance_is_enough_for_most():
    """Alone, or among others; not in a header that is too long to be searched."""
    known, wanted = secret.parse_cookie(COOKIE), f"{_NAME}="
    assert secret.sole_cookie(f"{_NAME}={COOKIE}", wanted) == known
    assert secret.sole_cookie(f"theme=dark; {_NAME}={COOKIE}; lang=en", wanted) == known
    too_long = f"{_NAME}={COOKIE}; {'x' * cookies.MAX_HEADER}"
    assert secret.sole_cookie(too_long, wanted) is None


@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase, lambda text: text[::-1]])
def test_case_counts(change):
    """Identifiers are never folded."""
    assert secret.parse_cookie(change(COOKIE)) != secret.parse_cookie(COOKIE)


def test_the_store_learns_only_a_hash():
    """R8, R9: SHA-256 of 256 bits; what is stored does not open anything."""
    key = bytes(range(32))
    digest = secret.digest(key)
    assert digest == hashlib.sha256(key).digest()
    assert secret.matches(secret.digest(key), digest)
    assert not secret.matches(key, digest)
    assert not secret.matches(secret.digest(digest), digest)
    assert not secret.matches(b"", digest)
    assert secret.SECRET_BYTES * 8 == 256


@given(st.text(), st.binary(min_size=32, max_size=32))
def test_all_sessions_of_a_subject_share_a_tag(subject, salt):
    """Any text has one, also one that UTF-8 cannot hold."""
    tag = secret.subject_tag(subject, salt)
    assert 0 <= tag < secret.TAGS
    assert tag == secret.subject_tag(subject, salt)


def test_without_the_salt_a_tag_says_nothing():
    """Another store's tags of the same subjects are other ones."""
    pairs = [
        (secret.subject_tag(f"user-{n}", bytes(32)), secret.subject_tag(f"user-{n}", b"x" * 32))
        for n in range(100)
    ]
    assert sum(one == other for one, other in pairs) < 5


def test_tags_are_spread():
    """Ten thousand subjects reach every tag but a few."""
    assert len({secret.subject_tag(str(n), bytes(32)) for n in range(10_000)}) > 1000
    assert {secret.random_tag(n.to_bytes(2, "big")) for n in range(2**16)} == set(range(1024))


def test_a_cookie_shows_nothing_of_itself():
    """In a log that prints one (R158)."""
    assert repr(secret.parse_cookie(COOKIE)) == "<Token>"


def test_an_id_has_one_spelling():
    """The last character holds two bits of randomness, and no others."""
    ends = [last for last in ALPHABET if secret.valid_id(ID[:-1] + last)]
    assert sorted(ends) == ["A", "Q", "g", "w"]
