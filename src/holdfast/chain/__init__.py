"""The chain: transport, cookie, session, CSRF, rate limit, authentication; alike everywhere.

An adapter makes `Request` facts of its framework's request, calls `begin`, runs the application
with `visit.session`, calls `commit` before the first byte of the answer, and applies the `Reply`.
Cookie text, `Vary`, `Cache-Control`, error bodies and status codes are made here, so all frameworks
behave the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.chain import auth, limit
from holdfast.chain.adoption import Adoption
from holdfast.chain.cookie import SessionCookie
from holdfast.chain.csrf import Csrf
from holdfast.chain.excluded import Excluded
from holdfast.chain.outage import Outage
from holdfast.chain.reply import PRIVATE, Headers, Refusal, Reply, error_reply, merged
from holdfast.chain.request import HEADERS, Proof, Request, Visit, no_form_field
from holdfast.chain.session import identify, identify_at_once, wants_fresh
from holdfast.chain.transport import Transport
from holdfast.errors import HoldfastError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import timedelta

    from holdfast.engine import AsyncSessions
    from holdfast.protocols import Changes, Clock, Entropy, OldSessions
    from holdfast.session import Session
    from holdfast.settings import Rate
    from holdfast.signed_in import SignedIn

__all__ = [
    "Chain",
    "Proof",
    "Refusal",
    "Reply",
    "Request",
    "Visit",
    "error_reply",
    "merged",
]

_SERVER_ERROR = 500
_NOTHING = Reply()
_TOUCHED = Reply(headers=PRIVATE)


class Chain:
    """The steps of one application, in order.

    `headers` are the names, in lower case, of the headers that it wants to know. `at_use` is called
    at every request and must cost nothing: it is how the background thread comes to start in the
    process that serves, and not in the one that loaded the application before a fork. `old` are the
    sessions of another library, which become ours as their visitors come back. `changes` is where an
    adapter hears of sessions that end while something of theirs is open; None: it has to ask. `outage`
    says in the log what `reply_to`, the answer to an error, is told of the store.
    """

    def __init__(
        self,
        sessions: AsyncSessions,
        *,
        clock: Clock,
        entropy: Entropy,
        at_use: Callable[[], None] | None = None,
        old: OldSessions | None = None,
        changes: Changes | None = None,
        outage: Outage | None = None,
    ) -> None:
        settings = sessions.settings
        self.sessions = sessions
        self.changes = changes
        self.csrf = Csrf(sessions, clock=clock, entropy=entropy)
        self.headers = HEADERS | {self.csrf.header}
        self.clock = clock
        self.reply_to = (outage or Outage(clock)).reply_to
        self._at_use = at_use
        self._adoption = None if old is None else Adoption(sessions, old)
        self._transport = Transport(settings, sessions.auditor)
        self._cookie = SessionCookie(settings)
        self._wanted = f"{self._cookie.name}="
        self._fresh_paths = settings.fresh_paths
        paths = settings.exclude_paths
        self._excluded: Excluded | frozenset[str] = Excluded(paths) if paths else frozenset()

    async def begin(self, request: Request) -> Visit:
        """Judge a request; `visit.reply` is set if it is refused. Raises nothing for what was sent."""
        visit = self.begin_at_once(request)
        if not visit.begun:
            await self.begin_anyway(visit)
        return visit

    def begin_at_once(self, request: Request) -> Visit:
        """`begin` as far as nothing has to be waited for; until `visit.begun`, `begin_anyway` is due."""
        visit = self.arrive(request)
        if visit.reply is not None or visit.excluded:
            visit.begun = True
        elif not visit.unsafe and not request.websocket:
            try:
                visit.begun = self.identify_at_once(visit)
            except StoreError as error:
                visit.reply, visit.begun = self.reply_to(error), True
        return visit

    async def begin_anyway(self, visit: Visit) -> None:
        """The rest of `begin`."""
        visit.begun = True
        if visit.unsafe or visit.request.websocket:
            visit.reply = await self.judge(visit)
            return
        try:
            await self._find(visit, None)
        except StoreError as error:
            visit.reply = self.reply_to(error)

    def arrive(self, request: Request) -> Visit:
        """The beginning of `begin`, as far as the route does not matter: the transport."""
        if self._at_use is not None:
            self._at_use()
        visit = self._transport.arrive(request)
        if request.path in self._excluded:
            visit.excluded = True
        return visit

    async def judge(self, visit: Visit, *, exempt: bool = False) -> Reply | None:
        """The rest of `begin` for an unsafe request or a handshake; None: go on.

        For adapters that know only later which route it is. `exempt`: the application has taken the
        CSRF check of this route upon itself.
        """
        if visit.request.bearer is None and not exempt:
            refused = self.csrf.refuse_origin(visit)
            if refused is not None:
                return refused
        try:
            if not visit.identified and not self.identify_at_once(visit):
                await self.identify(visit)
        except StoreError as error:
            return self.reply_to(error)
        if exempt:
            visit.csrf = "exempt"
            refused = None
        else:
            refused = await self._require_token(visit)
        return refused or limit.refuse(self.sessions.auditor, visit, visit.session.taken)

    async def prove(self, visit: Visit) -> Reply | None:
        """The CSRF check of an exempt route after all, once it turns out that its cookie counts."""
        if not visit.unsafe or visit.csrf != "exempt" or visit.came_by == "bearer":
            return None
        visit.csrf = None
        refused = self.csrf.refuse_origin(visit) or await self._require_token(visit)
        if refused is not None:
            visit.csrf = "exempt"  # nobody was signed in around the check, so nobody is signed out
        return refused

    async def _require_token(self, visit: Visit) -> Reply | None:
        refused = await self.csrf.require_token(visit)
        visit.request.form_field = no_form_field
        return refused

    def trusts(self, peer: str | None) -> bool:
        """Whether the peer is one of `trusted_proxies`."""
        return self._transport.trusts(peer)

    def set_cookie(self, value: str) -> str:
        """The `Set-Cookie` for a session's cookie that was made outside a request."""
        return self._cookie.set(value)

    async def resume(self, request: Request, proof: Proof | None, *, near: bool = False) -> Visit:
        """The visit of a request that `begin` has let in before: in another process, or just now.

        Nothing is judged or spent once more; `proof` is what `visit.csrf` was then. The session is
        read anew; with `near` a near cache may answer for a cookie also where the method is unsafe:
        for who only changes data, as a write finds out whether the reading still holds.

        Raises:
            StoreError: the store cannot answer.
        """
        visit = self._transport.arrive(request)
        if visit.reply is None and not visit.excluded:
            if near:
                identify_at_once(self.sessions, self._wanted, visit, rate=None, fresh=False)
            await self._find(visit, None)
            visit.csrf = proof
        return visit

    async def identify(self, visit: Visit) -> Session:
        """Step 3 alone, for adapters that read the session of a safe request when it is asked for.

        Raises:
            StoreError: the store cannot answer.
        """
        return await self._find(visit, self._rate(visit))

    def identify_at_once(self, visit: Visit) -> bool:
        """`identify` where nothing has to be waited for; False: await that.

        Raises:
            StoreError: the store cannot answer.
        """
        rate, fresh = None, False
        if self._fresh_paths or visit.unsafe or visit.request.websocket:
            rate, fresh = self._rate(visit), wants_fresh(self._fresh_paths, visit)
        found = identify_at_once(self.sessions, self._wanted, visit, rate=rate, fresh=fresh)
        return found and (self._adoption is None or visit.session.record is not None)

    def _rate(self, visit: Visit) -> Rate | None:
        path = visit.request.path
        return limit.rate_of(self.sessions.settings, path) if visit.unsafe else None

    def _find(self, visit: Visit, rate: Rate | None) -> Coroutine[Any, Any, Session]:
        return identify(self.sessions, self._cookie.name, visit, rate, self._adoption)

    async def commit(self, visit: Visit, status: int) -> Reply:
        """Carry out what the handler asked of its session, before the first byte of its answer.

        After a server error (5xx), and where one of our errors was raised, only a sign-out is carried
        out: half-done work is not kept, and a session that the handler has had the engine make ends
        again. The session is closed from here on. A `Reply` with a status replaces the handler's
        answer.
        """
        if visit.excluded:
            return _NOTHING
        try:
            await self.carry_out(visit, status)
        except HoldfastError as error:
            return self.refused(visit, error)
        return self.committed(visit)

    async def carry_out(self, visit: Visit, status: int) -> None:
        """What `commit` does to the session; for adapters whose framework has errors of its own.

        Raises:
            HoldfastError: it could not be done; the answer to it is `refused`.
        """
        session = visit.session
        try:
            if visit.unsafe and self.csrf.unproved_sign_in(visit):
                raise await self.csrf.refuse_sign_in(visit)
            await self._save(visit, kept=status < _SERVER_ERROR and not visit.raised)
        finally:
            session.closed = True

    async def _save(self, visit: Visit, *, kept: bool) -> None:
        try:
            await self._commit(visit.session, kept=kept)
        finally:
            if self._adoption is not None:  # also after a sign-out that was not proved
                await self._adoption.retire(visit)

    async def _commit(self, session: Session, *, kept: bool) -> None:
        """Carry out what is kept; a session that was made for what is not, or cannot be, ends again."""
        done = session.closed
        try:
            if kept or session.intent == "sign_out":
                await self.sessions.commit(session)
                done = True
        finally:
            if session.made and not done:
                await self.sessions.sign_out(session)

    def refused(self, visit: Visit, error: HoldfastError) -> Reply:
        """The answer when the session could not be committed."""
        reply = self.reply_to(error)
        gone = self._cookie.withdrawn(visit) + self._old_cookie(visit)
        return Reply(reply.status, reply.headers + gone, reply.body, reply.code)

    def committed(self, visit: Visit) -> Reply:
        """What the answer carries when the session was committed."""
        session = visit.session
        if session.cookie is None and not session.ended and not visit.new_presession:
            return _TOUCHED if session.accessed else _NOTHING
        return Reply(headers=self._headers(visit))

    def commit_at_once(self, visit: Visit) -> Reply | None:
        """`commit` for a visit that left nothing to do, as most do; None: it has to be awaited."""
        session = visit.session
        if not session.quiet or session.cookie is not None or session.ended:
            return None
        session.closed = True
        if visit.new_presession:
            return self.committed(visit)
        return _TOUCHED if session.accessed else _NOTHING

    async def fail(self, visit: Visit, error: HoldfastError) -> Reply:
        """The answer to an error that the handler raised before its answer began.

        What is raised keeps nothing, as after a server error; a sign-out is carried out also here.
        """
        reply = self.reply_to(error)
        done = await self.commit(visit, _SERVER_ERROR)
        if done.status is not None:
            return done
        headers = tuple(merged(reply.headers, done.headers))
        return Reply(reply.status, headers, reply.body, reply.code)

    def require(self, visit: Visit) -> SignedIn:
        """The session of somebody who is signed in; see `auth.require`."""
        return auth.require(visit)

    def require_fresh(self, visit: Visit, max_age: timedelta) -> SignedIn:
        """The session of somebody who signed in at most `max_age` ago; see `auth.require_fresh`."""
        return auth.require_fresh(visit, max_age, self.clock, self.sessions.auditor)

    def require_role(self, visit: Visit, role: str) -> SignedIn:
        """The session of somebody with this role; see `auth.require_role`."""
        return auth.require_role(visit, role, self.sessions.auditor)

    def _headers(self, visit: Visit) -> Headers:
        handed_out = visit.session.cookie is not None
        cookie = self._cookie.handed_out(visit) if handed_out else self._cookie.withdrawn(visit)
        return cookie + self.csrf.cookie_headers(visit) + self._old_cookie(visit) + PRIVATE

    def _old_cookie(self, visit: Visit) -> Headers:
        return self._adoption.expired if self._adoption is not None and visit.forget_old else ()
