"""Step 1, transport: HTTPS, loopback, or a trusted proxy's word; who asks, and under which origin.

Plain HTTP is served to this machine only: the peer is a loopback address and so is the name it asks
for. The name alone can be anybody's, and the peer alone can be a reverse proxy that nobody told us
of, or a browser that a foreign page has rebound to us (R152, P52, P53, P62).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from holdfast.chain.reply import error_reply
from holdfast.chain.request import Visit
from holdfast.events import EventName, Severity
from holdfast.protocols import ClientFacts
from holdfast.rules import forwarded
from holdfast.rules import host as hosts
from holdfast.rules.origin import SAFE_METHODS

if TYPE_CHECKING:
    from holdfast.chain.reply import Reply
    from holdfast.chain.request import Request
    from holdfast.engine.audit import Auditor
    from holdfast.settings import Settings

_KEPT_REQUEST_ID = 128
_MAX_KNOWN = 1024
_MAX_KEY = 512
_log = logging.getLogger("holdfast")


class _Connection(msgspec.Struct, frozen=True, gc=False):
    """What is known of a connection: `secure` says whether it may carry credentials."""

    address: str | None
    host: str
    origin: str
    secure: bool


class Transport:
    """Judges the connection; a verdict is kept, as parsing addresses and hosts costs the most."""

    def __init__(self, settings: Settings, auditor: Auditor) -> None:
        self._proxies = forwarded.parse_networks(settings.trusted_proxies)
        self._hops = settings.proxy_hops
        self._plain = frozenset(name.lower() for name in settings.plain_http_hosts)
        self._health = frozenset(settings.health_paths)
        self._auditor = auditor
        self._known: dict[tuple[str | None, ...], _Connection] = {}
        self._advised = False

    def arrive(self, request: Request) -> Visit:
        """The visit of a request, refused if its transport is not to be trusted.

        Health probes come over plain HTTP and without a name; they have no session.
        """
        if request.path in self._health:
            client = _client(request, request.peer)
            return Visit(request, request.method not in SAFE_METHODS, client=client, excluded=True)
        key: tuple[str | None, ...] = (request.peer, request.scheme, request.host)
        if self._proxies:
            key += self._said(request)
        found = self._known.get(key) or self._meet(request, key)
        if found is None:
            reply = error_reply(400, "bad_request", "Malformed request")
            return self._refused(request, request.peer, "bad_request", reply)
        if not found.secure:
            self._advise(found.host)
            reply = error_reply(403, "https_required", "HTTPS required")
            return self._refused(request, found.address, "https_required", reply)
        unsafe = request.method not in SAFE_METHODS
        return Visit(request, unsafe, found.origin, _client(request, found.address))

    def trusts(self, peer: str | None) -> bool:
        """Whether this is a proxy whose word about a request counts."""
        return forwarded.is_trusted(peer, self._proxies)

    def _said(self, request: Request) -> tuple[str | None, ...]:
        heard = request.headers.get
        return heard("x-forwarded-for"), heard("x-forwarded-proto"), heard("x-forwarded-host")

    def _meet(self, request: Request, key: tuple[str | None, ...]) -> _Connection | None:
        """Judge a connection that is not known yet, and keep the verdict under `key`."""
        found = self._judged(request)
        if found is not None and sum(map(len, filter(None, key))) <= _MAX_KEY:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found

    def _judged(self, request: Request) -> _Connection | None:
        headers = request.headers
        facts = forwarded.resolve(
            request.peer,
            request.scheme,
            request.host,
            forwarded_for=headers.get("x-forwarded-for"),
            forwarded_proto=headers.get("x-forwarded-proto"),
            forwarded_host=headers.get("x-forwarded-host"),
            trusted=self._proxies,
            hops=self._hops,
        )
        parts = None if facts is None else hosts.split(facts.host)
        if facts is None or parts is None:
            return None
        secure = facts.scheme == "https" or self._may_be_plain(parts[0], facts.address)
        return _Connection(facts.address, parts[0], f"{facts.scheme}://{facts.host}", secure)

    def _may_be_plain(self, name: str, address: str | None) -> bool:
        if name in self._plain:
            return True
        return _names_loopback(name) and forwarded.is_loopback(address)

    def _refused(self, request: Request, address: str | None, word: str, reply: Reply) -> Visit:
        client = _client(request, address)
        self._auditor.emit(EventName.AUTHZ_FAIL, client, reason=word, severity=Severity.WARN)
        return Visit(request, request.method not in SAFE_METHODS, client=client, reply=reply)

    def _advise(self, name: str) -> None:
        """Tell the operator what to do: once, since anybody can send such requests."""
        if not self._advised:
            self._advised = True
            _log.warning(
                "refused plain HTTP for host %s: put TLS in front, name the proxy that does so in"
                " trusted_proxies, or use Settings.for_development(hosts=(%r,)); in tests"
                " holdfast.testing.client(app)",
                name,
                name,
            )


def _client(request: Request, address: str | None) -> ClientFacts:
    headers = request.headers
    given = headers.get("x-request-id")
    return ClientFacts(address, headers.get("user-agent"), given and _request_id(given))


def _names_loopback(name: str) -> bool:
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or forwarded.is_loopback(name.strip("[]"))
    )


def _request_id(given: str) -> str | None:
    return given[:_KEPT_REQUEST_ID] if given.isascii() and given.isprintable() else None
