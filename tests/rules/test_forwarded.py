"""What a proxy says counts only from a proxy of ours, read from the right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ConfigurationError
from holdfast.rules import forwarded
from holdfast.rules import host as hosts
from holdfast.rules.forwarded import Facts

PROXIES = forwarded.parse_networks(["10.0.0.0/8", "2001:db8:ffff::/48"])
PROXY, CLIENT, LIAR = "10.0.0.1", "203.0.113.7", "198.51.100.66"
HOST = "app.example.org"


def facts(for_=None, proto=None, told_host=None, *, peer=PROXY, scheme="http", host=HOST, hops=1):
    return forwarded.resolve(
        peer,
        scheme,
        host,
        forwarded_for=for_,
        forwarded_proto=proto,
        forwarded_host=told_host,
        trusted=PROXIES,
        hops=hops,
    )


def test_a_trusted_proxy_is_believed():
    """Address, scheme and host of what it forwarded."""
    told = facts(CLIENT, "https", "shop.example.org:8443")
    assert told == Facts(CLIENT, "https", "shop.example.org:8443")


@pytest.mark.parametrize("peer", [CLIENT, "11.0.0.1", "::1", "127.0.0.1", None, "", "testclient"])
def test_nobody_else_is(peer):
    """R152: a client that sends the headers itself gains nothing, not even on loopback."""
    told = facts(LIAR, "https", "evil.test", peer=peer)
    assert (told.scheme, told.host) == ("http", HOST)
    assert told.address in {peer, None}


def test_without_trusted_proxies_the_headers_mean_nothing():
    """The default."""
    told = forwarded.resolve(PROXY, "http", HOST, forwarded_for=LIAR, forwarded_proto="https")
    assert told == Facts(PROXY, "http", HOST)


@pytest.mark.parametrize(
    ("header", "hops", "address"),
    [
        (CLIENT, 1, CLIENT),
        (f"{LIAR}, {CLIENT}", 1, CLIENT),
        (f"{LIAR},{CLIENT}", 1, CLIENT),
        (f"{LIAR}, {CLIENT}, 10.0.0.9", 2, CLIENT),
        (f"junk, , \0, {LIAR}, {CLIENT}, 10.0.0.8, 10.0.0.9", 3, CLIENT),
        (f"{CLIENT}:4711", 1, CLIENT),
        ("[2001:db8::7]:4711", 1, "2001:db8::7"),
        ("[2001:db8::7]", 1, "2001:db8::7"),
        ("2001:DB8:0::7", 1, "2001:db8::7"),
        ("::ffff:203.0.113.7", 1, CLIENT),
        ("fe80::1%eth0", 1, "fe80::1"),
        (None, 1, PROXY),
        (None, 2, PROXY),
    ],
)
def test_hops_are_counted_from_the_right(header, hops, address):
    """P53: everything left of our own proxies' entries was written by the client."""
    assert facts(header, hops=hops).address == address


@pytest.mark.parametrize(
    ("header", "hops"),
    [("", 1), ("unknown", 1), (f"{CLIENT},", 1), (f"{CLIENT}, x", 1), (CLIENT, 2), ("_hidden", 1),
     ("203.0.113.7.", 1), ("203.0.113.007", 1), ("203.0.113.7 198.51.100.66", 1), ("[::1", 1),
     ("[::1]x", 1), ("1" * 100_000, 1), ("203.0.113.7\0", 1), (",,,,,", 3)],
)  # fmt: skip
def test_a_malformed_address_is_refused(header, hops):
    """P52: what had to be believed and cannot be read is no fact."""
    assert facts(header, hops=hops) is None


@pytest.mark.parametrize(
    ("header", "hops", "scheme"),
    [
        ("https", 1, "https"),
        ("HTTPS", 1, "https"),
        ("wss", 1, "https"),
        ("http", 1, "http"),
        ("https", 3, "https"),
        ("https, http", 1, "http"),  # the client said https, our proxy http
        ("http, https", 1, "https"),
        ("https, http", 2, "https"),
        (None, 1, "http"),
    ],
)
def test_the_scheme_is_what_our_outermost_proxy_saw(header, hops, scheme):
    """A client cannot pretend that its plain connection was HTTPS."""
    route = ", ".join([CLIENT, "10.0.0.9", "10.0.0.8"][:hops])
    assert facts(route, header, hops=hops).scheme == scheme


@pytest.mark.parametrize(
    ("header", "hops"),
    [("", 1), ("ftp", 1), ("https https", 1), ("https,", 1), ("https, http", 3), ("on", 1)],
)
def test_a_malformed_scheme_is_refused(header, hops):
    """P52."""
    assert facts(f"{CLIENT}, 10.0.0.9, 10.0.0.8", header, hops=hops) is None


@pytest.mark.parametrize(
    "bad", ["", "a b", "evil.test/", "user@evil.test", "a..b", "evil.test,", "a:b", "x\r\ny"]
)
def test_a_malformed_host_is_refused(bad):
    """P52: from the proxy and from the client alike."""
    assert facts(CLIENT, "https", bad) is None
    assert facts(CLIENT, "https", None, host=bad) is None
    assert facts(peer=CLIENT, host=bad) is None


def test_the_last_of_several_hosts_counts():
    """As for the scheme."""
    assert facts(CLIENT, None, f"evil.test, {HOST}").host == HOST


def test_hosts_and_peers_have_one_spelling():
    """One host, one key."""
    assert facts(host="App.Example.ORG:8080").host == "app.example.org:8080"
    assert facts(CLIENT, peer="::ffff:10.0.0.1").address == CLIENT
    assert facts(peer="::ffff:203.0.113.7").address == CLIENT


@pytest.mark.parametrize(
    ("scheme", "seen"), [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https")]
)
def test_websockets_have_the_scheme_of_their_handshake(scheme, seen):
    """So that the origin of the page can be compared with ours."""
    assert facts(peer=CLIENT, scheme=scheme).scheme == seen


@pytest.mark.parametrize("text", ["", "10.0.0.0/99", "10.0.0.1/8", "proxy.local"])
def test_networks_are_checked_at_start(text):
    """P25."""
    with pytest.raises(ConfigurationError) as caught:
        forwarded.parse_networks([text])
    assert "trusted_proxies" in str(caught.value)


@pytest.mark.parametrize(
    ("address", "key", "short"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.0"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::", "2001:db8:1::"),
        ("junk", "invalid", "invalid"),
        ("", "invalid", "invalid"),
    ],
)
def test_limits_and_truncation(address, key, short):
    """P53: an IPv6 client owns its /64; what is stored names a neighbourhood only."""
    assert forwarded.limit_key(address) == key
    assert forwarded.truncate(address) == short


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback(address):
    """Plain HTTP is allowed from here."""
    assert forwarded.is_loopback(address)


@pytest.mark.parametrize(
    "address", [None, "", "10.0.0.1", "0.0.0.0", "::", "localhost", "127.0.0.1.evil.test", "::2"]
)
def test_not_loopback(address):
    """A name is not an address, and an unknown peer is not us."""
    assert not forwarded.is_loopback(address)


texts = st.none() | st.text(max_size=40) | st.text("0123456789abcdef:.,[]% ", max_size=40)


@given(texts, texts, texts, texts, st.text(max_size=20), st.integers(1, 4))
def test_no_header_raises(peer, for_, proto, told_host, host, hops):
    """Facts or None, and facts are canonical."""
    told = facts(for_, proto, told_host, peer=peer, host=host, hops=hops)
    assert told is None or (told.scheme in {"http", "https"} and hosts.canonical(told.host))


@given(st.lists(st.ip_addresses().map(str), max_size=5), st.ip_addresses(v=4))
def test_prefixes_written_by_clients_change_nothing(lies, client):
    """However long the forged part is."""
    assert facts(", ".join([*lies, str(client)])).address == str(client)
