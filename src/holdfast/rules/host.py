"""Host names as requests carry them: parsed once, strictly, into one spelling (P52).

What cannot be parsed is refused, not repaired. A trailing dot is kept: to browsers
`example.org.` is another origin than `example.org`.
"""

from __future__ import annotations

import ipaddress
import re

_HOST = re.compile(r"(?:([a-z0-9_.-]{1,253})|\[([0-9a-f:.]{2,45})\])(?::([1-9][0-9]{0,4}))?")
_EMPTY_LABEL = re.compile(r"^\.|\.\.")
_MAX = 300


def split(text: str) -> tuple[str, int | None] | None:
    """Host in lower case (IPv6 compressed, in brackets) and port; None if `text` is neither."""
    match = _HOST.fullmatch(text.lower()) if len(text) <= _MAX and text.isascii() else None
    if match is None:
        return None
    name, v6, digits = match.groups()
    host = _name(name) if v6 is None else _ipv6(v6)
    port = None if digits is None else int(digits)
    if host is None or (port is not None and port > 65535):
        return None
    return host, port


def canonical(text: str) -> str | None:
    """`text` as `host` or `host:port` in its one spelling; None if it is malformed."""
    parts = split(text)
    if parts is None:
        return None
    host, port = parts
    return host if port is None else f"{host}:{port}"


def _name(name: str) -> str | None:
    return None if _EMPTY_LABEL.search(name) else name


def _ipv6(text: str) -> str | None:
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        return None
