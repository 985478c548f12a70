"""Client families that survive updates, and texts that are safe to store and print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import agent

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
CHROMEOS = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X)"
GECKO = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "family"),
    [
        (f"{WINDOWS} {GECKO} Chrome/142.0.0.0 Safari/537.36", "Chrome/Windows"),
        (f"{WINDOWS} {GECKO} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge/Windows"),
        (f"{WINDOWS} {GECKO} Chrome/142.0.0.0 Safari/537.36 OPR/120.0", "Opera/Windows"),
        (f"{LINUX} {GECKO} HeadlessChrome/142.0.0.0 Safari/537.36", "Chrome/Linux"),
        (f"{CHROMEOS} {GECKO} Chrome/142.0.0.0 Safari/537.36", "Chrome/ChromeOS"),
        (f"{ANDROID} {GECKO} Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome/Android"),
        (
            f"{ANDROID} {GECKO} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36",
            "Samsung Internet/Android",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/2010 Firefox/145.0", "Firefox/Linux"),
        (f"{MAC} {GECKO} Version/26.0 Safari/605.1.15", "Safari/macOS"),
        (f"{IPHONE} {GECKO} Version/26.0 Mobile/15E148 Safari/604.1", "Safari/iOS"),
        (f"{IPHONE} {GECKO} CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome/iOS"),
        (f"{IPHONE} {GECKO} FxiOS/145.0 Mobile/15E148 Safari/604.1", "Firefox/iOS"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko",
            "Internet Explorer/Windows",
        ),
        ("Mozilla/5.0 (compatible; Somebot/2.1; +http://example.org/bot)", "unknown/unknown"),
        ("curl/8.9.1", "curl"),
        ("python-requests/2.32.3", "python-requests"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("okhttp/4.12.0", "okhttp"),
        ("MyApp/3.1 CFNetwork/1568.100.1 Darwin/24.0.0", "MyApp"),
        ("Dart/3.5 (dart:io)", "Dart"),
        ("node", "node"),
        ("", "unknown"),
        ("   ", "unknown"),
        ("\0\0", "unknown"),
        ("ünknown", "unknown"),
        (None, "unknown"),
    ],
)
def test_families(text, family):
    """The names that appear in comparisons, and nowhere else."""
    assert agent.family(text) == family


@pytest.mark.parametrize(
    "text", ["My\tApp/3.1", "\ufeffcurl/8", "Evil\r\nSet-Cookie: x", "a\u200bb/1"]
)
def test_a_stored_text_has_the_family_of_its_original(text):
    """A client that retries a refresh is compared with what was stored of it, and is no thief."""
    assert agent.family(agent.clean(text)) == agent.family(text)


@given(st.text(max_size=600))
def test_cleaning_changes_no_family(text):
    """For every text."""
    assert agent.family(agent.clean(text)) == agent.family(text)


def test_only_the_first_512_characters_count():
    """P37: bounded work."""
    assert agent.family("Mozilla/5.0" + " " * 600 + "Chrome/142") == "unknown/unknown"


def test_an_update_keeps_the_family():
    """P7: a browser that updates itself between two refreshes is the same client."""
    before = f"{WINDOWS} {GECKO} Chrome/142.0.0.0 Safari/537.36"
    assert agent.family(before) == agent.family(before.replace("142.0.0.0", "143.0.7499.1"))
    assert agent.family("curl/8.9.1") == agent.family("curl/9.0")


@given(st.text(max_size=700))
def test_families_are_bounded_and_printable(text):
    """Never raises; only the first 512 characters count."""
    family = agent.family(text)
    assert len(family) <= 40
    assert family.isprintable()
    assert family == agent.family(text[:512])


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("curl/8.9.1", "curl/8.9.1"),
        ("a\r\nSet-Cookie: x=y", "aSet-Cookie: x=y"),
        ("a\x1b[31mred\x07", "a[31mred"),
        ("a\u2028b\u2029c\x85d", "abcd"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("a\0b\x7fc\u200bd\ud800e", "abcde"),
        ("Müller 日本", "Müller 日本"),
        ("x" * 600, "x" * 512),
    ],
)
def test_nothing_that_a_terminal_or_log_obeys_is_kept(text, cleaned):
    """R159."""
    assert agent.clean(text) == cleaned


@given(st.text(max_size=700))
def test_clean_texts_are_clean(text):
    """Short, printable, storable as UTF-8, and clean already."""
    cleaned = agent.clean(text)
    assert len(cleaned) <= 512
    assert cleaned.isprintable()
    assert cleaned.encode().decode() == cleaned == agent.clean(cleaned)
