"""Targets and methods as proxies report them: one spelling, or refused (P52)."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules.target import MAX_TARGET, valid_method, valid_target


@pytest.mark.parametrize(
    "target",
    ["/", "/a/b.txt", "/a?x=/../%2f&y", "/.well-known/x", "/a..b/...", "/%C3%A9%20", "/a//b"],
)
def test_what_all_parsers_read_alike_passes(target):
    """Dots inside a name and anything in the query are no matter."""
    assert valid_target(target)


@pytest.mark.parametrize(
    "target",
    [
        *("", "a", "*", "//evil.example/", "http://evil.example/", "evil.example:443"),
        *("/..", "/a/../b", "/a/./b", "/a/..?x", "/.", "/%2e%2E/admin", "/a%2fb", "/a%5Cb"),
        *("/a%00", "/a%", "/a%zz", "/a\\b", "/a b", "/a\r\nX: y", "/a\x00", "/caf\u00e9", "/a#b"),
        "/" + "a" * MAX_TARGET,
    ],
)
def test_what_two_parsers_may_read_in_two_ways_is_refused(target):
    """Encoded slashes and dots, absolute forms, control characters, fragments (P52)."""
    assert not valid_target(target)


@given(st.text(alphabet="/.%2eEfF5cC\\?#:a\x00 ", max_size=14))
def test_an_accepted_path_stays_below_its_segments(target):
    """Decoding it once makes no new segment, no parent, no host."""
    if valid_target("/" + target):
        path = urlsplit("/" + target).path
        assert unquote(path).count("/") == path.count("/")
        assert not {".", ".."} & set(unquote(path).split("/"))


@pytest.mark.parametrize(("method", "valid"), [("GET", True), ("PROPFIND", True), ("get", False)])
def test_methods(method, valid):
    """As servers spell them."""
    assert valid_method(method) is valid


@pytest.mark.parametrize("method", ["", "G T", "GET\n", "GET,POST", "A" * 21, "G\u00c9T"])
def test_what_is_no_method(method):
    """Nothing that could be read as another one."""
    assert not valid_method(method)
