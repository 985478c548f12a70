"""Where a request comes from, as browsers tell: a reason to refuse, never a reason to trust.

Fetch Metadata and the exact `Origin` each may refuse; the session-bound token decides what they let
through (DESIGN 7, R70 to R73, P54). Measured in Chromium 156:

- a sibling host or port sends every cookie, `SameSite=Strict` too: `same-site` is not us;
- a page with `Referrer-Policy: no-referrer` posts to itself with `Origin: null` and `same-origin`;
  a sandboxed attacker sends `null` with `cross-site`;
- plain-HTTP hosts other than loopback send no Fetch Metadata at all, so `Origin` decides there, and
  `null` is refused: it cannot be told from a sandbox;
- WebSocket handshakes carry `Origin` but no Fetch Metadata.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.rules import host

if TYPE_CHECKING:
    from collections.abc import Collection

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (R69), spelled as they must be; TRACE is no method of ours."""

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,31})://([^/]+)")
_URL_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_KNOWN_SITES = frozenset({"same-origin", "same-site", "cross-site", "none"})
_MAX = 512


def canonical(text: str) -> str | None:
    """An origin in its one spelling: lower case, no default port; None if `text` is no origin."""
    match = _ORIGIN.fullmatch(text.lower()) if len(text) <= _MAX and text.isascii() else None
    parts = match and host.split(match[2])
    if not match or not parts:
        return None
    scheme, (name, port) = match[1], parts
    visible = port is not None and port != _DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{name}:{port}" if visible else f"{scheme}://{name}"


def verdict(
    *,
    method: str,
    sec_fetch_site: str | None,
    origin: str | None,
    referer: str | None,
    own: str,
    trusted: Collection[str] = (),
) -> str | None:
    """A stable word why this request is refused, or None: it may go on, and the token decides.

    `own` is scheme://host[:port] of this request as the transport check found it; `trusted` holds
    further origins as `canonical` writes them. None stands for an absent header. An unknown
    `Sec-Fetch-Site` counts as absent (Fetch Metadata, section 2.4).

    The words: `cross_site`, `same_site`, `null_origin`, `foreign_origin`, `foreign_referer`.
    """
    if method in SAFE_METHODS:
        return None
    site = sec_fetch_site if sec_fetch_site in _KNOWN_SITES else None
    if site in {"cross-site", "same-site"}:
        invited = origin is not None and canonical(origin) in trusted
        return None if invited else site.replace("-", "_")
    if origin == "null":
        return "null_origin" if site is None else None
    if origin is not None:
        return None if _accepts(origin, own, trusted) else "foreign_origin"
    if site is None and referer:
        return None if _accepts(_origin_of(referer), own, trusted) else "foreign_referer"
    return None


def websocket_allowed(origin: str | None, own: str, trusted: Collection[str] = ()) -> bool:
    """Whether a WebSocket handshake comes from us or a trusted origin (R80).

    Without `Origin` it comes from no browser and may go on: no page can leave the header out.
    `own` may have the scheme ws or wss.
    """
    if origin is None:
        return True
    return _accepts(origin, re.sub(r"^ws(?=s?://)", "http", own), trusted)


def _accepts(origin: str, own: str, trusted: Collection[str]) -> bool:
    if origin == own:
        return True
    found = canonical(origin)
    return found is not None and (found == canonical(own) or found in trusted)


def _origin_of(url: str) -> str:
    match = _URL_ORIGIN.match(url)
    return match[0] if match else ""
