"""Reading the session cookie from whatever a client sends, and writing ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import TooLarge, UsageError
from holdfast.rules import cookies

NAME = "__Host-session"
STRICT = {"secure": True, "same_site": "Strict"}
octets = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='",;\\'), max_size=64
)


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("", ()),
        ("__Host-session=a", ("a",)),
        ("theme=dark; __Host-session=a; lang=en", ("a",)),
        ("theme=dark;__Host-session=a;lang=en", ("a",)),
        (" \t__Host-session=a\t ;", ("a",)),
        ("__Host-session=", ("",)),
        ("__Host-session", ()),
        ("__Host-session=a=b", ("a=b",)),
        ('__Host-session="a"', ('"a"',)),
        ("x__Host-session=a", ()),
        ("x=__Host-session=a", ()),
        ("__Host-session =a", ()),
        ("__Host-session-old=a", ()),
    ],
)
def test_reads_exactly_this_name(header, values):
    """Neighbours whose name or value contains ours are not ours."""
    assert cookies.read(header, NAME) == values


@pytest.mark.parametrize("twin", ["__HOST-session", "__host-session", "__Host-Session"])
def test_a_name_in_another_case_is_another_cookie(twin):
    """R59: browsers guard the prefix case-insensitively only lately; we compare exactly."""
    assert cookies.read(f"{twin}=evil; {NAME}=good", NAME) == ("good",)


def test_twins_are_reported_and_not_picked_from():
    """R60: a cookie planted by a sibling comes under the same name, before or after ours."""
    assert cookies.read(f"{NAME}=good; {NAME}=evil", NAME) == ("good", "evil")
    assert cookies.read(f"{NAME}=evil; a=b; {NAME}=good", NAME) == ("evil", "good")


def test_the_same_value_twice_is_one_value():
    """The same cookie stored for two paths is sent twice."""
    assert cookies.read(f"{NAME}=a; {NAME}=a", NAME) == ("a",)


def test_a_header_above_64_kib_is_not_searched():
    """P37: bounded work for input of any length."""
    padding = "x" * (64 * 1024 - len(NAME) - 4)
    assert cookies.read(f"{NAME}=a; {padding}", NAME) == ("a",)
    assert cookies.read(f"{NAME}=a; {padding}x", NAME) == ()


@given(st.text(max_size=300), st.text(min_size=1, max_size=20))
def test_reading_never_raises_and_never_invents(header, name):
    """Every value found was sent."""
    assert all(f"{name}={value}" in header for value in cookies.read(header, name))


@given(octets, st.lists(octets.map(lambda text: f"other={text}"), max_size=4), st.integers(0, 4))
def test_what_was_set_is_read_back(value, others, place):
    """Among other cookies too."""
    pair, _, _ = cookies.set_cookie(NAME, value, max_age=None, **STRICT).partition(";")
    others.insert(place, pair)
    assert cookies.read("; ".join(others), NAME) == (value,)


def test_the_session_cookie_as_the_design_decides_it():
    """R51, R52, R54, R55: prefix, path, HttpOnly, Secure and an explicit SameSite."""
    text = cookies.set_cookie(NAME, "id.secret", max_age=86400, **STRICT)
    assert text == (
        "__Host-session=id.secret; Max-Age=86400; Path=/; HttpOnly; SameSite=Strict; Secure"
    )


def test_without_an_age_it_ends_with_the_browser():
    """R12."""
    text = cookies.set_cookie(NAME, "v", max_age=None, **STRICT)
    assert "Max-Age" not in text
    assert "Expires" not in text


def test_development_cookie_has_no_secure_but_all_the_rest():
    """Plain loopback is the only place for it."""
    text = cookies.set_cookie("session", "v", max_age=60, secure=False, same_site="Lax")
    assert text == "session=v; Max-Age=60; Path=/; HttpOnly; SameSite=Lax"


def test_age_is_clamped_to_what_browsers_keep():
    """R57: 400 days; and never negative."""
    assert "; Max-Age=34560000;" in cookies.set_cookie(NAME, "v", max_age=10**9, **STRICT)
    assert "; Max-Age=0;" in cookies.set_cookie(NAME, "v", max_age=-5, **STRICT)


@pytest.mark.parametrize("domain", [None, "example.org"])
def test_expiring_uses_the_attributes_that_setting_used(domain):
    """R41: browsers erase only the cookie of the same name, domain and path."""
    scope = {"secure": True, "same_site": "Lax", "domain": domain, "path": "/app"}
    kept = cookies.set_cookie("session", "v", max_age=None, **scope).split("; ")[1:]
    gone = cookies.expire_cookie("session", **scope).split("; ")
    assert gone[0] == "session="
    assert {"Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"} < set(gone)
    assert set(gone) - {"session=", "Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"} == set(
        kept
    )


def test_name_and_value_fill_4096_bytes_and_no_more():
    """R56: browsers drop a larger cookie without a word."""
    fits = "v" * (4096 - len(NAME))
    assert fits in cookies.set_cookie(NAME, fits, max_age=None, **STRICT)
    with pytest.raises(TooLarge) as caught:
        cookies.set_cookie(NAME, fits + "v", max_age=None, **STRICT)
    assert "vvv" not in str(caught.value)


def test_an_attribute_above_1024_bytes_is_refused():
    """R56."""
    with pytest.raises(TooLarge):
        cookies.set_cookie(NAME, "v", max_age=None, path="/" * 1025, **STRICT)


@pytest.mark.parametrize(
    "bad", ["a;b", "a,b", "a b", 'a"b', "a\\b", "a\r\nSet-Cookie: x=y", "é", "\0", "\x7f"]
)
def test_nothing_can_be_injected(bad):
    """A value, name, domain or path never ends its part early."""
    for place in ("value", "name", "domain", "path"):
        parts = {"name": "n", "value": "v", "max_age": None, "secure": True, "same_site": "Lax"}
        if place in {"domain", "path"} and bad in {'a"b', "a\\b"}:
            continue
        with pytest.raises(UsageError):
            cookies.set_cookie(**{**parts, place: bad})


@pytest.mark.parametrize(("same_site", "secure"), [("", True), ("strict", True), ("None", False)])
def test_same_site_is_one_of_three_and_none_needs_secure(same_site, secure):
    """R54."""
    with pytest.raises(UsageError):
        cookies.set_cookie("n", "v", max_age=None, secure=secure, same_site=same_site)
