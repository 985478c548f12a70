"""Holdfast for any ASGI application: a pure middleware, and guards for its handlers.

The chain runs before the application and once more at the first byte of the answer. Streaming
answers pass through untouched, and writes to the session after that raise `SessionClosed`.
"""

from __future__ import annotations

from asyncio import current_task
from typing import TYPE_CHECKING, Protocol

from holdfast.chain import Chain, Reply, Visit, auth
from holdfast.errors import HoldfastError, UsageError
from holdfast.stores.feed import moment
from holdfast.web.asgi_answer import Answer
from holdfast.web.asgi_ending import finish, listening, settled
from holdfast.web.asgi_held import Holding
from holdfast.web.asgi_late import held_to
from holdfast.web.asgi_request import request_of, show
from holdfast.web.lasting import in_time

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.session import Session
    from holdfast.signed_in import SignedIn
    from holdfast.web.asgi_types import App, Receive, Scope, Send

_VISIT = "holdfast.visit"
_CHAIN = "holdfast.chain"


class Connection(Protocol):
    """What guards need of a framework's request: Starlette's and FastAPI's have it."""

    @property
    def scope(self) -> Scope:
        """The ASGI scope that the middleware has seen."""
        ...


class HoldfastMiddleware:
    """Runs the chain around an ASGI application, for HTTP requests and WebSocket handshakes."""

    def __init__(self, app: App, chain: Chain) -> None:
        self._app = app
        self.chain = chain
        self._holding = Holding(chain)
        self._wanted = {name.encode("ascii"): name for name in chain.headers}

    async def __call__(  # noqa: C901 - one frame more would be paid by every request
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The ASGI interface; whatever is neither HTTP nor WebSocket passes through."""
        if scope["type"] not in {"http", "websocket"} or scope.get(_CHAIN) is self.chain:
            await self._app(scope, receive, send)
            return
        request, receive = request_of(scope, receive, self._wanted)
        visit, proved = self.chain.begin_at_once(request), None
        if not visit.begun:
            since = moment()
            await self.chain.begin_anyway(visit)
            if visit.unsafe:
                proved = await in_time(self.chain, visit, since)
        answer = Answer(self.chain, visit, scope, send, self._holding, current_task())
        if visit.reply is not None:
            await answer.refuse(visit.reply, receive)
            return
        scope[_VISIT], scope[_CHAIN] = visit, self.chain
        show(visit, scope)
        if request.websocket:
            receive = listening(answer, receive)
        elif proved is not None:
            receive = held_to(proved, answer, receive)
        try:
            await self._app(scope, receive, answer.send)
        except BaseException as error:
            if not await settled(answer, error):
                raise
        else:
            if not answer.begun or answer.held is not None or answer.unsure is not None:
                await finish(answer)


def visit_of(connection: Connection) -> Visit:
    """The chain's visit of this request.

    Raises:
        UsageError: the middleware is not installed.
    """
    visit: Visit | None = connection.scope.get(_VISIT)
    if visit is None:
        raise UsageError("no session here: is HoldfastMiddleware (or Holdfast(app)) installed?")
    return visit


def session_of(connection: Connection) -> Session:
    """The visitor's session; empty if nobody is signed in.

    Raises:
        UsageError: the path is one of `exclude_paths` or `health_paths`.
    """
    return visit_of(connection).require_session()


def csrf_token(connection: Connection) -> str:
    """A token for the visitor's next unsafe request: header `X-CSRF-Token`, field `csrf_token`."""
    return _chain_of(connection).csrf.token(visit_of(connection))


def require_csrf(connection: Connection) -> None:
    """Refuse an unsafe request without a valid token also where no session exists yet: 403."""
    _chain_of(connection).csrf.require(visit_of(connection))


def require(connection: Connection) -> SignedIn:
    """The session of somebody who is signed in, by cookie or bearer token; otherwise 401."""
    return auth.require(visit_of(connection))


def require_fresh(connection: Connection, max_age: timedelta) -> SignedIn:
    """The session of somebody who proved who they are at most `max_age` ago; otherwise 401."""
    return _chain_of(connection).require_fresh(visit_of(connection), max_age)


def require_role(connection: Connection, role: str) -> SignedIn:
    """The session of somebody whose claim `role` is, or holds, this; otherwise 401 or 403."""
    return _chain_of(connection).require_role(visit_of(connection), role)


def reply_to(connection: Connection, error: HoldfastError) -> Reply:
    """The answer to an error of ours, for a framework that turns exceptions into answers itself.

    What was raised keeps nothing: no change of this request is saved, but for a sign-out. In
    Starlette and FastAPI nobody needs this, the middleware answers what is raised.
    """
    visit_of(connection).raised = True
    return _chain_of(connection).reply_to(error)


def _chain_of(connection: Connection) -> Chain:
    visit_of(connection)
    chain: Chain = connection.scope[_CHAIN]
    return chain
