"""Host names: one spelling, and refusal of everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import host


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("example.org", "example.org"),
        ("Example.ORG:8443", "example.org:8443"),
        ("localhost", "localhost"),
        ("my_service:80", "my_service:80"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:8080", "[::1]:8080"),
        ("[2001:DB8::A]", "[2001:db8::a]"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("example.org.", "example.org."),
    ],
)
def test_hosts_have_one_spelling(text, spelled):
    """Lower case, compressed IPv6; a trailing dot stays another host."""
    assert host.canonical(text) == spelled
    assert host.canonical(spelled) == spelled


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", ".example.org", "a..b", "user@example.org", "example.org/", "example.org?x",
     "example.org#x", "example.org\\@evil.org", "exa mple.org", "example.org:", "example.org:0",
     "example.org:080", "example.org:65536", "example.org:99999999999", "example.org:\uff18\uff10",
     "::1", "[::1", "[::1]x", "[]", "[::g]", "[fe80::1%eth0]", "[127.0.0.1]", "a,b", "a;b",
     "a\r\nb", "a\0b", "-\n",
     "%65xample.org", "bücher.example", "\uff45xample.org", "\u212aelvin.org", "a" * 254,
     "example.org:80:80"],
)  # fmt: skip
def test_malformed_hosts_are_refused(text):
    """P52: a parse failure is a refusal, not a repair."""
    assert host.canonical(text) is None


@given(st.text(max_size=60) | st.text("[]:.a1@/ ", max_size=12))
def test_never_raises_and_is_stable(text):
    """What was accepted once is accepted in its own spelling."""
    spelled = host.canonical(text)
    assert spelled is None or host.canonical(spelled) == spelled
