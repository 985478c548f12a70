"""Cross-origin requests as Chromium sends them, and as attackers would like to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import origin

OWN = "https://app.example.org"
SIBLING = "https://evil.example.org"
PARTNER = "https://partner.test"
ATTACKER = "https://attacker.test"
ABSENT = None


def judge(site=None, source=None, referer=None, *, method="POST", own=OWN, trusted=(PARTNER,)):
    return origin.verdict(
        method=method,
        sec_fetch_site=site,
        origin=source,
        referer=referer,
        own=own,
        trusted=frozenset(trusted),
    )


@pytest.mark.parametrize(
    ("site", "source", "referer", "word"),
    [
        # Fetch Metadata present: dbsc.md, table 4.2
        ("same-origin", OWN, ABSENT, None),
        ("same-origin", ABSENT, ABSENT, None),
        ("same-origin", "null", ABSENT, None),  # Referrer-Policy: no-referrer (R73)
        ("same-origin", ATTACKER, ABSENT, "foreign_origin"),  # no browser says so (P54)
        ("same-origin", SIBLING, ABSENT, "foreign_origin"),
        ("same-origin", PARTNER, ABSENT, None),
        ("none", ABSENT, ABSENT, None),  # typed, bookmark
        ("none", "null", ABSENT, None),
        ("none", ATTACKER, ABSENT, "foreign_origin"),
        ("same-site", SIBLING, ABSENT, "same_site"),  # siblings are not us
        ("same-site", OWN, ABSENT, "same_site"),
        ("same-site", "null", ABSENT, "same_site"),
        ("same-site", ABSENT, OWN + "/form", "same_site"),
        ("same-site", PARTNER, ABSENT, None),
        ("cross-site", ATTACKER, ABSENT, "cross_site"),  # form POST, fetch, iframe
        ("cross-site", ABSENT, ABSENT, "cross_site"),
        ("cross-site", "null", ABSENT, "cross_site"),  # sandboxed frame (R73)
        ("cross-site", OWN, ABSENT, "cross_site"),
        ("cross-site", "http://app.example.org", ABSENT, "cross_site"),  # schemeful
        ("cross-site", ABSENT, PARTNER + "/page", "cross_site"),
        ("cross-site", PARTNER, ABSENT, None),
        # absent, or unknown and therefore ignored: Origin, then Referer (R70, R71)
        (ABSENT, OWN, ABSENT, None),
        (ABSENT, OWN, ATTACKER, None),
        (ABSENT, PARTNER, ABSENT, None),
        (ABSENT, ATTACKER, OWN, "foreign_origin"),
        (ABSENT, "null", ABSENT, "null_origin"),
        (ABSENT, "null", OWN, "null_origin"),
        (ABSENT, "", OWN, "foreign_origin"),
        (ABSENT, ABSENT, OWN, None),
        (ABSENT, ABSENT, OWN + "/form?x=1#y", None),
        (ABSENT, ABSENT, PARTNER + "/", None),
        (ABSENT, ABSENT, ATTACKER + "/" + OWN, "foreign_referer"),
        (ABSENT, ABSENT, "about:blank", "foreign_referer"),
        (ABSENT, ABSENT, "android-app://com.example", "foreign_referer"),
        (ABSENT, ABSENT, ABSENT, None),  # no browser: the token decides
        (ABSENT, ABSENT, "", None),
        ("Same-Origin", ATTACKER, ABSENT, "foreign_origin"),
        ("same-origin, same-origin", ATTACKER, ABSENT, "foreign_origin"),
        ("future-value", OWN, ABSENT, None),
        ("", "null", ABSENT, "null_origin"),
    ],
)
def test_the_table(site, source, referer, word):
    """One row for each kind of request; the word is stable."""
    assert judge(site, source, referer) == word


@pytest.mark.parametrize(
    "hostile",
    ["https://app.example.org.attacker.com", "https://app.example.org.", "https://app.example.orgx",
     "http://app.example.org", "https://app.example.org:444", "https://example.org",
     "https://user@app.example.org", "https://app.example.org@attacker.test",
     "https://app.example.org\\@attacker.test", "https://app.example.org/", "https://app.example.org/x",
     "https://app.example.org?", "https://app.example.org#", "//app.example.org", "app.example.org",
     "https://", "https:app.example.org", " https://app.example.org", "https://app.example.org ",
     "https://app.example.org, https://app.example.org", "https://app.example.org\r\n", "NULL",
     "https://app%2eexample.org", "https://\u0430pp.example.org", "https://app.example.org:443443",
     "wss://app.example.org", "https://app.example.org:0443", "https://" + "a" * 100_000],
)  # fmt: skip
def test_look_alikes_are_foreign(hostile):
    """R72: scheme, host and port are compared exactly after one strict parse."""
    assert judge(ABSENT, hostile) == "foreign_origin"
    assert judge("cross-site", hostile) == "cross_site"


@pytest.mark.parametrize(
    ("own", "source"),
    [
        (OWN, "https://app.example.org:443"),
        ("https://app.example.org:443", OWN),
        ("http://localhost:80", "http://localhost"),
        ("https://APP.example.org", OWN),
        (OWN, "HTTPS://App.Example.Org"),
        ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]:443"),
    ],
)
def test_spellings_of_one_origin_are_one_origin(own, source):
    """Default ports, upper case and long IPv6 are not differences."""
    assert judge(ABSENT, source, own=own) is None


@pytest.mark.parametrize(
    ("own", "source"),
    [
        ("http://localhost:8080", "http://localhost:8081"),
        ("http://localhost:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::2]:8080"),
        ("http://app:443", "https://app"),
        ("https://kiosk.test", "https://\u212aiosk.test"),  # a Kelvin sign is a k in lower case
    ],
)
def test_neighbours_are_other_origins(own, source):
    """Cookies ignore ports; this check must not."""
    assert judge(ABSENT, source, own=own) == "foreign_origin"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_pass_from_everywhere(method):
    """A link from another site must work."""
    assert judge("cross-site", ATTACKER, method=method) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "PURGE", ""])
def test_every_other_method_is_judged(method):
    """Unknown methods and other spellings are not safe."""
    assert judge("cross-site", ATTACKER, method=method) == "cross_site"


def test_null_cannot_be_trusted_by_configuration():
    """Every sandboxed page of the world has this origin."""
    assert judge("cross-site", "null", trusted=("null",)) == "cross_site"
    assert judge(ABSENT, "null", trusted=("null",)) == "null_origin"


@pytest.mark.parametrize(
    ("source", "own", "allowed"),
    [
        (OWN, OWN, True),
        (OWN, "wss://app.example.org", True),
        ("http://localhost:8080", "ws://localhost:8080", True),
        (OWN, "ws://app.example.org", False),
        (PARTNER, OWN, True),
        (SIBLING, OWN, False),
        (ATTACKER, OWN, False),
        ("null", OWN, False),
        ("", OWN, False),
        ("https://app.example.org.attacker.com", OWN, False),
        (ABSENT, OWN, True),
    ],
)
def test_websocket_handshakes_are_judged_by_origin_alone(source, own, allowed):
    """R80: a handshake is a GET with cookies, no Fetch Metadata, and no token."""
    assert origin.websocket_allowed(source, own, frozenset({PARTNER})) is allowed


@given(
    st.none() | st.text(max_size=30) | st.sampled_from(["same-origin", "cross-site", "none"]),
    st.none() | st.text(max_size=60) | st.from_regex(r"https://[a-z@:.]{1,20}\Z"),
    st.none() | st.text(max_size=60),
)
def test_no_header_raises_and_cross_site_never_passes(site, source, referer):
    """Without trusted origins nothing opens the door to another site."""
    word = judge(site, source, referer, trusted=())
    assert word is not None or site != "cross-site"
    assert word is not None or source in {None, "null"} or origin.canonical(source) == OWN


@given(st.text(max_size=60) | st.from_regex(r"[a-z]{1,6}://[a-z0-9.:\[\]]{1,20}\Z"))
def test_canonical_is_stable(text):
    """What it writes, it reads."""
    spelled = origin.canonical(text)
    assert spelled is None or origin.canonical(spelled) == spelled
