"""Forward-auth: a reverse proxy asks whether a request may pass, for applications in any language.

The proxy tells method, URI, host and scheme of the request in `X-Forwarded-*`, and passes cookie,
`Authorization` and the headers of the CSRF checks on. These facts count only from a trusted proxy
(P51, P53). No body is seen here: an unsafe request needs Fetch Metadata or an `Origin` that vouch
for it, or a CSRF token in the header. 200 lets it pass, with who it is in `X-Auth-*`; whatever
cannot be decided is denied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, error_reply
from holdfast.chain import Request as Facts
from holdfast.rules.target import valid_method, valid_target
from holdfast.service.answers import reply_answer
from holdfast.service.context import context_of
from holdfast.web.asgi import visit_of

if TYPE_CHECKING:
    from holdfast.chain import Visit
    from holdfast.service.context import ServiceContext
    from holdfast.session import Session

PATH = "/forward-auth"
PATHS = (PATH, f"{PATH}/")
"""What the chain leaves alone but for its transport check: the decision runs a chain of its own."""

_FORWARDED = "/forwarded"
"""The path that the inner chain sees: the application's paths are not this service's."""

_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")
_IN_A_LIST = _VISIBLE.replace(",", "")
_PAGE = "text/html"


async def asked(request: Request) -> Response:
    """The question as nginx, Caddy, Traefik and HAProxy put it: the facts stand in headers."""
    method, target = _one(request, "x-forwarded-method"), _one(request, "x-forwarded-uri")
    return await _decide(request, method, target)


async def passed(request: Request) -> Response:
    """The question as Envoy puts it: the request itself, below a prefix."""
    target = request.scope["raw_path"].decode("latin-1").removeprefix(PATH)
    query = request.scope["query_string"].decode("latin-1")
    return await _decide(request, request.method, f"{target}?{query}" if query else target)


ROUTES = (
    Route(PATH, asked, methods=["GET"]),
    Route(PATH + "/{target:path}", passed, methods=_METHODS),
)


async def _decide(request: Request, method: str, target: str) -> Response:
    context, outer = context_of(request), visit_of(request)
    _require_proxy(context, outer)
    if not (valid_method(method) and valid_target(target)):
        raise Refusal(error_reply(403, "bad_request", "Malformed method or URI"))
    chain = context.assembly.chain
    visit = await chain.begin(_facts(outer.request, method))
    if visit.reply is not None:
        return reply_answer(visit.reply)
    try:
        session = _admitted(context, visit, request)
    except Refusal as refusal:
        return _to_sign_in(context, visit, request, target) or reply_answer(refusal.reply)
    reply = await chain.commit(visit, 200)
    answer = reply_answer(reply)
    if reply.status is None:
        answer.headers.update(_identity(context, session))
    return answer


def _one(request: Request, name: str) -> str:
    """A header that must be there once; otherwise nothing that passes."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _require_proxy(context: ServiceContext, outer: Visit) -> None:
    if context.assembly.chain.trusts(outer.request.peer):
        return
    raise Refusal(error_reply(403, "untrusted_proxy", "Name this proxy in trusted_proxies"))


def _facts(outer: Facts, method: str) -> Facts:
    return Facts(
        method=method,
        scheme=outer.scheme,
        host=outer.host,
        path=_FORWARDED,
        peer=outer.peer,
        headers=outer.headers,
        form_field=_no_field,
        body_unseen=True,
    )


async def _no_field(_name: str) -> None:
    return None


def _admitted(context: ServiceContext, visit: Visit, request: Request) -> Session:
    """Who it is; `?role=` in the address that the proxy asks makes a role a condition."""
    role = request.query_params.get("role") if request.url.path == PATH else None
    chain = context.assembly.chain
    return chain.require(visit) if role is None else chain.require_role(visit, role)


def _to_sign_in(
    context: ServiceContext, visit: Visit, request: Request, target: str
) -> Response | None:
    """A person on the way to a page is sent to sign in and back; programs get the 401."""
    address = context.options.forward_auth_sign_in
    page = _PAGE in request.headers.get("accept", "")
    if not address or not page or visit.request.unsafe or visit.session.subject is not None:
        return None
    back = target if address.startswith(f"{visit.origin}/") else visit.origin + target
    location = f"{address}?{urlencode({'next': back})}"
    return Response(status_code=302, headers={"Location": location, "Cache-Control": "no-store"})


def _roles(session: Session) -> list[str]:
    """The claim `role`, which is one or several."""
    role = session.claims.get("role")
    several = cast("list[object]", role) if isinstance(role, list) else [role]
    return [str(each) for each in several if each is not None]


def _identity(context: ServiceContext, session: Session) -> dict[str, str]:
    """Who it is. Whatever is no visible ASCII is percent-encoded, and so is the percent sign."""
    headers = {
        "X-Auth-Subject": quote(session.subject or "", safe=_VISIBLE),
        "X-Auth-Session": context.sessions.auditor.session_hash(session.id or ""),
        "X-Auth-Roles": ",".join(quote(each, safe=_IN_A_LIST) for each in _roles(session)),
    }
    audience = context.options.forward_auth_audience
    if audience:
        lifetime = context.options.forward_auth_lifetime
        headers["X-Auth-Token"] = context.sessions.assertion(session, audience, lifetime)
    return headers
