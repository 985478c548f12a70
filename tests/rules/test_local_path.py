"""`next` leads to a path of the same site and nowhere else (P52)."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules.local_path import local_path

HOME = "/sessions"
BASE = "https://holdfast.example/sign-in"


@pytest.mark.parametrize("path", ["/", "/sessions", "/sessions?after=abc", "/a/b?c=d&e=%20#f"])
def test_a_local_path_stays(path):
    """Whoever was on the way to a page of ours gets there."""
    assert local_path(path, HOME) == path


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "sessions",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: session=x",
        "/caf\u00e9",
        "/a b",
        "/\x00",
        "/" + "a" * 512,
    ],
)
def test_anything_else_leads_home(text):
    """No text sends a person to another host, however browsers would read it."""
    assert local_path(text, HOME) == HOME


def test_home_is_the_root_unless_told_otherwise():
    """For applications that have nothing else to say."""
    assert local_path("//evil.example") == local_path(None) == "/"


@given(st.text(alphabet="/\\.:@?#%ae \t\r\n\x00\u2028\uff0f", max_size=12))
def test_no_text_names_another_host(text):
    """As a browser resolves it: tabs and newlines gone, backslashes as slashes."""
    seen = local_path(text, HOME).translate(dict.fromkeys(map(ord, "\t\r\n"))).replace("\\", "/")
    assert urlsplit(urljoin(BASE, seen)).netloc == "holdfast.example"
