"""What proxies say of a request, and what may be believed of it (P51 to P53, R152).

`X-Forwarded-For`, `-Proto` and `-Host` count only when the peer is a trusted proxy. Each proxy
appends what it saw: with N proxies in front, the N-th entry from the right was written by our own
outermost proxy, and everything left of it by whoever sent the request. What is believed must be
well formed; otherwise nothing can be known of the request and it is refused. `Forwarded` (RFC 7239)
is ignored: a proxy that writes one and passes the other through would let clients choose.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from holdfast.errors import ConfigurationError
from holdfast.rules import host as hosts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_MAX_ADDRESS = 64


class Facts(NamedTuple):
    """Who asks for what: `address` is None if the peer has none (a Unix socket).

    `scheme` is http or https, also for WebSockets; `host` is canonical, with a port if it was sent.
    """

    address: str | None
    scheme: str
    host: str


def resolve(
    peer: str | None,
    scheme: str,
    host: str,
    *,
    forwarded_for: str | None = None,
    forwarded_proto: str | None = None,
    forwarded_host: str | None = None,
    trusted: Sequence[Network] = (),
    hops: int = 1,
) -> Facts | None:
    """The facts of a request; None if what had to be believed is malformed: answer 400 (P52).

    `peer`, `scheme` and `host` are of the connection itself; header lines of one name are joined by
    commas. `hops` is how many proxies stand in front.
    """
    address = parse_address(peer)
    if address is not None and trusted and _within(address, trusted):
        client = _counted(forwarded_for, hops)
        address = address if client is None else parse_address(_without_port(client))
        if address is None:
            return None
        scheme = _told(forwarded_proto, hops, scheme)
        host = _told(forwarded_host, hops, host)
    spelled, secure = hosts.canonical(host), _SCHEMES.get(scheme.lower())
    if spelled is None or secure is None:
        return None
    return Facts(None if address is None else str(address), secure, spelled)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks, parsed once at start.

    Raises:
        ConfigurationError: one of them is neither.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError:
        raise ConfigurationError(
            "trusted_proxies: each is an address or a network; for example ('10.0.0.0/8',)"
        ) from None


def parse_address(text: str | None) -> Address | None:
    """An address in its one form: IPv4 in IPv6 becomes IPv4, the zone goes; None if it is none."""
    if not text or len(text) > _MAX_ADDRESS:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def limit_key(address: str) -> str:
    """What a limit per address counts by: IPv4 itself, IPv6 by /64, which one client owns (P53).

    All that is no address counts together, as "invalid"; so it does for `truncate`.
    """
    return _cut(address, v4=32, v6=64)


def truncate(address: str) -> str:
    """An address that names a neighbourhood, not a household: IPv4 by /24, IPv6 by /48."""
    return _cut(address, v4=24, v6=48)


def is_loopback(address: str | None) -> bool:
    """Whether this is the machine itself; an unknown address is not."""
    parsed = parse_address(address)
    return parsed is not None and parsed.is_loopback


def is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether a connection comes from one of these networks; one without an address does not."""
    address = parse_address(peer)
    return address is not None and _within(address, trusted)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _counted(header: str | None, hops: int) -> str | None:
    """The `hops`-th entry from the right; None: no header; "" (malformed): too few entries."""
    if header is None:
        return None
    entries = header.rsplit(",", hops)
    return entries[-hops].strip(" \t") if len(entries) >= hops else ""


def _told(header: str | None, hops: int, otherwise: str) -> str:
    """A single entry is the outermost proxy's: most replace this header, and append no more."""
    if header is None:
        return otherwise
    return (_counted(header, hops) or "") if "," in header else header.strip(" \t")


def _without_port(text: str) -> str:
    """Some proxies write 192.0.2.1:4711 or [2001:db8::1]:4711."""
    if text.startswith("["):
        parts = hosts.split(text)
        return parts[0].strip("[]") if parts else ""
    return text.partition(":")[0] if text.count(":") == 1 else text


def _cut(address: str, *, v4: int, v6: int) -> str:
    parsed = parse_address(address)
    if parsed is None:
        return "invalid"
    length = v4 if parsed.version == 4 else v6
    return str(ipaddress.ip_network((parsed, length), strict=False).network_address)
