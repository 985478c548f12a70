"""Forward-auth: a reverse proxy asks whether a request may pass, for applications in any language.

The proxy tells method, URI, host and scheme of the request in `X-Forwarded-*`, and passes cookie,
`Authorization` and the headers of the CSRF checks on. These facts count only from a trusted proxy
(P51, P53). No body is seen here: an unsafe request needs Fetch Metadata or an `Origin` that vouch
for it, or a CSRF token in the header; the handshake of a WebSocket must not come from another site.
200 lets it pass, with who it is in `X-Auth-*`; whatever cannot be decided is denied.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qsl, quote, urlencode

from holdfast.chain import Refusal, Reply, error_reply
from holdfast.chain import Request as Facts
from holdfast.chain.reply import PRIVATE
from holdfast.errors import HoldfastError
from holdfast.rules.target import valid_method, valid_target
from holdfast.service.internal_errors import internal_error
from holdfast.web.asgi_request import headers_of

if TYPE_CHECKING:
    from holdfast.chain import Visit
    from holdfast.chain.reply import Headers
    from holdfast.service.connection import Answer
    from holdfast.service.context import ServiceContext
    from holdfast.service.headers import SecurityHeaders
    from holdfast.session import Session
    from holdfast.web.asgi_types import RawHeaders, Receive, Scope, Send

PATH = "/forward-auth"
_BELOW = f"{PATH}/"

_FORWARDED = "/forwarded"
"""The path that the inner chain sees: the application's paths are not this service's."""

_QUESTION = "holdfast.question"
"""In a scope: how far its answer has come."""

_PASSES = 200
_MOST_KNOWN = 1024
_ASKING = frozenset({"GET"})
_HANDSHAKE = frozenset({"sec-websocket-key", "sec-websocket-version"})
_OWN = ("accept", "x-forwarded-method", "x-forwarded-uri", *_HANDSHAKE)
_VISIBLE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")
_IN_A_LIST = _VISIBLE.replace(",", "")
_PLAIN = re.compile(r"[!-$&-+\--~]*")
_PAGE = "text/html"


def asked_of(path: str) -> bool:
    """Whether a request for this path is a question."""
    return path == PATH or path.startswith(_BELOW)


class Question(NamedTuple):
    """A request that a proxy asks about, and whether its address names a condition."""

    visit: Visit
    target: str
    role: str | None
    refused: bool


class ForwardAuth:
    """The questions, as an ASGI application of their own: a proxy asks one for every request."""

    def __init__(self, context: ServiceContext, security: SecurityHeaders) -> None:
        self._context = context
        self._security = security
        self._metrics = context.metrics
        self._chain = context.assembly.chain
        self._wanted = {name.encode(): name for name in (*self._chain.headers, *_OWN)}
        self._proxies: set[str] = set()
        self._names: dict[str, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - no body is read
        """Answer a question."""
        begun = time.perf_counter()
        status, headers, body = self._begun(scope) or await self._later(scope)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._count(scope, status, begun)

    def at_once(self, scope: Scope) -> Answer | None:
        """The answer to a question, if nothing must be waited for; None: call this with the same scope."""
        begun = time.perf_counter()
        answer = self._begun(scope)
        if answer is not None:
            self._count(scope, answer[0], begun)
        return answer

    def _begun(self, scope: Scope) -> Answer | None:
        """As far as nothing must be waited for; what has begun is in the scope, for who goes on."""
        if _QUESTION in scope:
            return None
        try:
            question = scope[_QUESTION] = self._ask(scope)
            return self._decide(question) if question.visit.begun else None
        except Exception as error:  # noqa: BLE001 - whatever fails, nobody passes
            return self._failed(error)

    async def _later(self, scope: Scope) -> Answer:
        question: Question = scope[_QUESTION]
        visit = question.visit
        try:
            if not visit.begun:
                await self._chain.begin_anyway(visit)
            return self._decide(question) or self._let_in(
                question, await self._chain.commit(visit, _PASSES)
            )
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(error)

    def _ask(self, scope: Scope) -> Question:
        """The question that this request is.

        Raises:
            Refusal: it is none, or nobody trusts who asks it.
        """
        headers = headers_of(scope, self._wanted)
        client = scope.get("client")
        peer = client[0] if client else None
        if peer not in self._proxies:
            self._meet(peer)
        method, target = _question(scope, headers)
        if not (valid_method(method) and valid_target(target)):
            raise Refusal(error_reply(403, "bad_request", "Malformed method or URI"))
        facts = Facts(
            method=method,
            scheme=scope["scheme"],
            host=headers.get("host", ""),
            path=_FORWARDED,
            peer=peer,
            headers=headers,
            websocket=not _HANDSHAKE.isdisjoint(headers),
            body_unseen=True,
        )
        conditions = _conditions(scope)
        visit = self._chain.begin_at_once(facts)
        return Question(visit, target, conditions.get("role"), "refused" in conditions)

    def _meet(self, peer: str | None) -> None:
        """Note a proxy that may ask: to read its address costs more than most of the answer.

        Raises:
            Refusal: 403, nobody has named it.
        """
        if not self._chain.trusts(peer):
            raise Refusal(error_reply(403, "untrusted_proxy", "Name this proxy in trusted_proxies"))
        if peer is not None and len(self._proxies) < _MOST_KNOWN:
            self._proxies.add(peer)

    def _decide(self, question: Question) -> Answer | None:
        """A refusal, or who it is; None: there is something to be committed before."""
        visit, target, role, _ = question
        chain = self._chain
        if visit.reply is not None:
            return self._refused(visit.reply)
        try:
            if role is None:
                chain.require(visit)
            else:
                chain.require_role(visit, role)
        except Refusal as refusal:
            return self._refused(_to_sign_in(self._context, visit, target) or refusal.reply)
        reply = chain.commit_at_once(visit)
        return None if reply is None else self._let_in(question, reply)

    def _let_in(self, question: Question, reply: Reply) -> Answer:
        """Who it is, with what its session was committed with."""
        if reply.status is not None:
            return self._refused(reply)
        if question.refused:
            return self._refused(_CHANGED)
        added = _TOUCHED if reply.headers is PRIVATE else _raw(_with_one_cookie(reply.headers))
        return _PASSES, [_EMPTY, *added, *self._identity(question.visit.session)], b""

    def _failed(self, error: Exception) -> Answer:
        """The refusal while an error is handled."""
        if isinstance(error, HoldfastError):
            return self._refused(self._chain.reply_to(error))
        return self._refused(internal_error("forward-auth"))

    def _refused(self, reply: Reply) -> Answer:
        """For a browser, to which the proxy hands it on."""
        headers = self._security.added([_length(reply.body), *_raw(reply.headers)])
        return reply.status or 500, headers, reply.body

    def _count(self, scope: Scope, status: int, begun: float) -> None:
        if self._metrics is not None:
            seconds = time.perf_counter() - begun
            self._metrics.request(scope["method"], PATH, status, seconds)

    def _identity(self, session: Session) -> RawHeaders:
        """Who it is. Whatever is no visible ASCII is percent-encoded, and so is the percent sign."""
        headers = [
            (b"x-auth-subject", _encoded(session.subject or "", _VISIBLE)),
            (b"x-auth-session", self._named(session.id or "")),
            (b"x-auth-roles", b",".join(_encoded(each, _IN_A_LIST) for each in _roles(session))),
        ]
        options = self._context.options
        if options.forward_auth_audience:
            token = self._context.sessions.assertion(
                session, options.forward_auth_audience, options.forward_auth_lifetime
            )
            headers.append((b"x-auth-token", token.encode()))
        return headers

    def _named(self, id: str) -> bytes:
        """What the session is called in logs."""
        name = self._names.get(id)
        if name is None:
            if len(self._names) >= _MOST_KNOWN:
                self._names.clear()
            name = self._context.sessions.auditor.session_hash(id).encode()
            self._names[id] = name
        return name


def _question(scope: Scope, headers: dict[str, str]) -> tuple[str, str]:
    """Method and URI of the request that is asked about.

    nginx, Caddy, Traefik and HAProxy tell them in headers; a missing one is empty, a doubled one
    joined, and neither is valid. Envoy passes the request itself, below the path: who does both has
    one slash too many in the address, and would lose its condition and its method.

    Raises:
        Refusal: 405, or 403 for a question of both kinds.
    """
    method: str = scope["method"]
    if scope["path"] == PATH:
        if method not in _ASKING:
            allowed = ("Allow", ", ".join(sorted(_ASKING)))
            raise Refusal(error_reply(405, "method_not_allowed", "Method not allowed", allowed))
        return headers.get("x-forwarded-method", ""), headers.get("x-forwarded-uri", "")
    if "x-forwarded-method" in headers or "x-forwarded-uri" in headers:
        raise Refusal(error_reply(403, "bad_request", "Malformed method or URI"))
    target = scope["raw_path"].decode("latin-1").removeprefix(PATH)
    query = scope["query_string"].decode("latin-1")
    return method, f"{target}?{query}" if query else target


def _conditions(scope: Scope) -> dict[str, str]:
    """What the address says that the proxy asks, out of its client's reach.

    `role` is one that somebody must have. `refused` says that this request has been refused already,
    and that the proxy wants to know with what.
    """
    query: bytes = scope["query_string"]
    if not query or scope["path"] != PATH:
        return _UNCONDITIONAL
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def _to_sign_in(context: ServiceContext, visit: Visit, target: str) -> Reply | None:
    """A person on the way to a page is sent to sign in and back; programs get the 401."""
    address = context.options.forward_auth_sign_in
    page = _PAGE in visit.request.headers.get("accept", "")
    if not address or not page or visit.unsafe or visit.session.subject is not None:
        return None
    back = target if address.startswith(f"{visit.origin}/") else visit.origin + target
    location = f"{address}?{urlencode({'next': back})}"
    return Reply(302, (("Location", location), ("Cache-Control", "no-store")))


def _roles(session: Session) -> list[str]:
    """The claim `role`, which is one or several."""
    role = session.record.claims.get("role") if session.record else None  # its own: no copy
    several = cast("list[object]", role) if isinstance(role, list) else [role]
    return [str(each) for each in several if each is not None]


def _encoded(text: str, kept: str) -> bytes:
    return (text if _PLAIN.fullmatch(text) else quote(text, safe=kept)).encode()


def _with_one_cookie(headers: Headers) -> Headers:
    """Without those that erase another: Caddy and nginx join several lines, and a browser all of it."""
    cookies = [pair for pair in headers if pair[0] == "Set-Cookie"]
    return tuple(pair for pair in headers if pair not in cookies[1:])


def _raw(headers: Headers) -> RawHeaders:
    return [(name.lower().encode(), text.encode("latin-1")) for name, text in headers]


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


_UNCONDITIONAL: dict[str, str] = {}
_CHANGED = error_reply(
    503, "decision_changed", "Refused a moment ago; send it again", ("Retry-After", "1")
)
"""A yes would reach the client as an answer of the application, which has never seen the request."""
_EMPTY = _length(b"")
_TOUCHED = _raw(PRIVATE)
