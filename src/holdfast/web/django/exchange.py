"""One request and its answer under Django: the chain, in the order in which Django finds things out.

The transport is judged first. Which view it will be, and whether its CSRF check is exempt, is known
only when the URL was resolved; the rest of the chain runs then. The session is read when somebody
asks for it, and in an async stack at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain import Reply
from holdfast.errors import StoreError
from holdfast.faces import run
from holdfast.stores.feed import moment
from holdfast.web.django import expiry, finishing
from holdfast.web.django.facts import facts

if TYPE_CHECKING:
    from django.http import HttpRequest

    from holdfast.assembly import Assembly
    from holdfast.chain import Chain, Visit
    from holdfast.engine import AsyncSessions
    from holdfast.session import Session
    from holdfast.web.django.view import View
    from holdfast.web.lasting import Proved


class Exchange:
    """`visit` is what the transport let in, `since` when; `session` and `seen` read the session first.

    Methods that are coroutines end without suspending when `threaded`: then `run` drives them.
    """

    alone = False

    def __init__(self, assembly: Assembly, request: HttpRequest, *, threaded: bool) -> None:
        self.since, self.assembly = moment(), assembly
        self.chain: Chain = assembly.blocking_chain if threaded else assembly.chain
        self.visit: Visit = self.chain.arrive(facts(request, self.chain))
        self.view: View | None = None
        self.proved: Proved | None = None  # what the rest of the body is held to
        self._judged = self._closed = False
        self._failure: StoreError | None = None

    @property
    def session(self) -> Session:
        """The visitor's session; on an excluded path an empty one that takes no change.

        Raises:
            StoreError: the store cannot answer; whatever the application makes of it, the answer
                will be 503 (P20).
        """
        return self.seen().session

    @property
    def key(self) -> str | None:
        """The session's public id; None if nothing is stored, or it is about to end."""
        return finishing.key_of(self)

    @property
    def known(self) -> Session | None:
        """The session if it was read; nobody asks the store for this."""
        return self.visit.session if self.visit.identified and self._failure is None else None

    def seen(self) -> Visit:
        """The visit, with its session read."""
        visit, chain = self.visit, self.assembly.blocking_chain
        if (not visit.identified or self._failure) and not self._looked_at_once(chain):
            run(self.look(chain))
        return visit

    async def read(self, sessions: AsyncSessions) -> Session:
        """The session, read by this engine if it was not read before."""
        parts = self.assembly
        await self.look(parts.chain if sessions is parts.sessions else parts.blocking_chain)
        return self.visit.session

    async def look(self, chain: Chain) -> None:
        """Read the session if nobody has, through this chain."""
        if self._looked_at_once(chain):
            return
        try:
            await chain.identify(self.visit)
        except StoreError as error:
            self._failure = error
            raise
        self._looked()

    def _looked_at_once(self, chain: Chain) -> bool:
        """`look` where nothing has to be waited for; False: the rest of it is due."""
        if self._failure is not None:
            raise self._failure
        visit = self.visit
        if visit.identified or visit.excluded:
            return True
        try:
            if not chain.identify_at_once(visit):
                return False
        except StoreError as error:
            self._failure = error
            raise
        self._looked()
        return True

    async def judge(self, *, exempt: bool) -> Reply | None:
        """The chain's verdict, now that the view is known; None: go on."""
        visit = self.visit
        self._judged = True
        if not visit.unsafe or visit.excluded:
            return None
        known = visit.identified
        visit.reply = await self.chain.judge(visit, exempt=exempt)
        if visit.identified and not known:
            self._looked()
        return visit.reply

    def commit_at_once(self) -> Reply | None:
        """`commit` where nothing was left to do, as in most requests; None: it has to be awaited."""
        visit, held = self.visit, self.proved
        if self._failure or visit.reply is not None or (held and held.error):
            return None
        if not visit.identified or (visit.unsafe and not self._judged):
            return None
        reply = self.chain.commit_at_once(visit)
        self._closed = reply is not None
        return reply

    async def commit(self, status: int) -> Reply:
        """Carry out what was asked of the session; see `Chain.commit`.

        Raises:
            SessionInterrupted: Django's session was written, and was ended meanwhile.
        """
        self._closed, failed = True, self._failure
        if failed is not None:
            return Reply() if status == failed.http_status else self.chain.reply_to(failed)
        if self.visit.reply is not None or not self.visit.identified:
            return Reply()
        # If no view was reached, somebody may have looked at the session all the same.
        if not self._judged and (refused := await self.judge(exempt=False)) is not None:
            return refused
        return await finishing.finish(self, status)

    def _looked(self) -> None:
        session = self.visit.session
        if expiry.is_set(session):
            expiry.apply(session, self.chain.clock(), self.chain.sessions.settings.touch_slack)
        session.closed = session.closed or self._closed
