"""The engine: the only place where rules and I/O meet. It reads, decides, and writes.

It is written once, as coroutines whose only awaits are store calls, strictly one after another: no
gather, lock, task or sleep. So the same code serves asyncio, and, through `holdfast.blocking`,
threads: a coroutine that never suspends is a function. Time, randomness and sinks are passed in.

    reading     a cookie to a session            signing in    a new id, the old one gone
    commit      a request's intents, in one      minting       tokens as views of a session
    verifying   is this token alive              refreshing    rotation, grace, reuse
    revoking    end one, many, everyone; list; sweep
    adopting    a session of another library becomes ours
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.engine import adopting, commit, minting, reading, refreshing, revoking, verifying
from holdfast.engine.audit import Auditor
from holdfast.engine.core import Core, Times, Touch, limits_under, policies_of, prompt_of
from holdfast.engine.minting import Tokens
from holdfast.engine.refreshing import Refreshed
from holdfast.engine.verifying import Kind, Verified
from holdfast.protocols import NOBODY, ClientFacts
from holdfast.rules.verified import VerifiedCache
from holdfast.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import timedelta

    from holdfast.errors import Reason
    from holdfast.protocols import AsyncStore, Clock, Entropy, OldSessions, Page, Reading, Sink
    from holdfast.record import Record
    from holdfast.rules.keys import KeyRing
    from holdfast.settings import Rate, Settings

__all__ = ["AsyncSessions", "Refreshed", "Tokens", "Touch", "Verified"]

_VERIFIED_KEPT = 10_000


class AsyncSessions:
    """All operations on sessions, for coroutines. `holdfast.Sessions` is the same for threads.

    Args:
        store: where records live.
        settings: limits, cookie, tokens.
        keys: the key ring of this environment.
        clock: now, in Unix ms.
        entropy: random bytes.
        sinks: take audit events; a failing one is counted in `audit_failures`.
        collect: takes activity to be noted by and by; None notes it at once.
        fresh: the same store for reads that no near cache may answer; default `store`.
    """

    def __init__(
        self,
        store: AsyncStore,
        settings: Settings,
        keys: KeyRing,
        *,
        clock: Clock,
        entropy: Entropy,
        sinks: Sequence[Sink] = (),
        collect: Callable[[Touch], None] | None = None,
        fresh: AsyncStore | None = None,
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.auditor = Auditor(keys.derive("audit")[0], clock, sinks)
        self._core = Core(
            store=store,
            fresh=store if fresh is None else fresh,
            settings=settings,
            keys=keys,
            clock=clock,
            entropy=entropy,
            auditor=self.auditor,
            verified=VerifiedCache(_VERIFIED_KEPT),
            collect=collect,
            policies=policies_of(settings),
            limits=limits_under(policies_of(settings)),
            times=Times.of(settings),
            prompt=prompt_of(store),
            fresh_prompt=prompt_of(store if fresh is None else fresh),
        )
        # `begin` where nothing has to be waited for, and that of a parsed cookie.
        self.begin_at_once = partial(reading.begin_at_once, self._core)
        self.judge_at_once = partial(reading.judge_at_once, self._core)

    # Requests

    def begin(
        self,
        token: str | None,
        client: ClientFacts = NOBODY,
        *,
        rate: Rate | None = None,
        fresh: bool = False,
    ) -> Coroutine[Any, Any, Session]:
        """The session of a cookie's text; an empty one, with a `reason`, if it does not count (P4).

        `rate` spends one from the session's quota in the same trip; `session.taken` has the answer.
        `fresh` asks the store itself, also where a near cache knows an answer.

        Raises:
            StoreError: the store cannot answer, which is not "not signed in" (P20).
        """
        return reading.begin(self._core, token, client, rate, fresh=fresh)

    async def begin_bearer(
        self,
        token: str,
        client: ClientFacts = NOBODY,
        *,
        rate: Rate | None = None,
        fresh: bool = False,
    ) -> Session:
        """The session of an access token; an empty one, with a `reason`, if it does not count."""
        verified = await self.verify_token(token, client=client, rate=rate, fresh=fresh)
        if verified.record is None or verified.claims is None:
            return Session(reason=verified.reason, client=client, taken=verified.taken)
        return Session(
            verified.record,
            via="bearer",
            plain=self._core.opened(verified.record, None),
            client=client,
            taken=verified.taken,
            token_claims=dict(verified.claims),
        )

    def refused(self, reason: Reason, client: ClientFacts = NOBODY) -> Session:
        """An empty session for a credential that an adapter could not even read; audited."""
        return reading.empty(self._core, reason, client)

    async def adopt(
        self, old: OldSessions, key: str, client: ClientFacts = NOBODY
    ) -> Session | None:
        """Take over the session that another library keeps under `key`; None: there is none.

        It becomes a session with a new id, once: the old one is removed. Requests that come at the
        same time, or repeat this one within a minute, get the same session and cookie. Nobody has
        proved here who they are, so `authenticated_at` is None.

        Raises:
            StoreError: one of the two stores cannot answer; the same call again goes on from there.
        """
        return await adopting.adopt(self._core, old, key, client)

    async def commit(self, session: Session) -> None:
        """Carry out everything a request did to its session, in one commit.

        Afterwards `session.cookie` is the text of a cookie to set, or None to leave it alone, and
        `session.ended` says that this request ended the session, so that the cookie must be
        cleared.

        Raises:
            Conflict: another request changed the same key.
            SessionEnded: the session was ended while the request ran; it is not revived (P1).
            CapReached: the subject has too many sessions, and `over_cap` is "reject".
            DataError: the data are too large or not JSON.
            StoreError: the store cannot answer; `NotDurable`: done, but not proved.
        """
        await commit.commit(self._core, session)

    # Outside requests, and for handlers that need the result at once

    async def sign_in(self, session: Session, subject: str | int, /, **options: Any) -> None:
        """`session.sign_in(subject, **options)` and `commit` in one."""
        session.sign_in(subject, **options)
        await self.commit(session)

    async def sign_out(self, session: Session) -> None:
        """`session.sign_out()` and `commit` in one: the session and all its credentials end."""
        session.sign_out()
        await self.commit(session)

    async def rotate(self, session: Session, /, **options: Any) -> None:
        """`session.rotate(**options)` and `commit` in one."""
        session.rotate(**options)
        await self.commit(session)

    # Tokens

    async def issue_tokens(self, session: Session) -> Tokens:
        """A new pair of tokens for a signed-in session; an earlier refresh family ends.

        Pending intents of the session are committed first.

        Raises:
            UsageError: nobody is signed in.
            SessionEnded: the session was ended meanwhile.
        """
        await self.commit(session)
        return await minting.issue(self._core, session)

    def assertion(self, session: Session, audience: str, lifetime: timedelta) -> str:
        """A short-lived token that tells an application of this `audience` who is signed in.

        No call of the store; whoever verifies it cannot ask whether the session still lives, so
        `lifetime` bounds how long a log-out takes to reach them. Here it is refused: its audience
        is another.

        Raises:
            UsageError: nobody is signed in.
        """
        return minting.assertion(self._core, session, audience, lifetime)

    def verify_token(
        self,
        token: str,
        kind: Kind = "access",
        *,
        client: ClientFacts = NOBODY,
        stateless: bool = False,
        rate: Rate | None = None,
        fresh: bool = False,
    ) -> Coroutine[Any, Any, Verified]:
        """Whether a token counts: signature, type, issuer, audience, times; and its session lives.

        `stateless` leaves out the last check, and with it log-out: only for readers who accept
        tokens of ended sessions until they expire. `fresh` is that of `begin`. Never raises for
        what a client sent.
        """
        return verifying.verify(
            self._core, token, kind, client, stateless=stateless, rate=rate, fresh=fresh
        )

    def refresh(
        self, token: str, client: ClientFacts = NOBODY, *, rate: Rate | None = None
    ) -> Coroutine[Any, Any, Refreshed]:
        """Exchange a refresh token for new tokens; say who asks, by `session.client`.

        Within the grace the same client gets the same successor again; else a repetition ends the
        session with every credential (RFC 9700 §4.14.2, R107-R112). Claims survive (R47).
        """
        return refreshing.refresh(self._core, token, client, rate)

    async def revoke_token(self, token: str, client: ClientFacts = NOBODY) -> bool:
        """End one access token; a refresh token ends its session with every credential (RFC 7009).

        False: it was no valid token, so there is nothing to end.
        """
        return await revoking.revoke_token(self._core, token, client)

    async def revoke_jti(self, jti: str, client: ClientFacts = NOBODY) -> bool:
        """`revoke_token` for who kept only the `jti`."""
        return await revoking.revoke_jti(self._core, jti, client)

    # Ending and listing

    async def revoke(
        self, id: str, client: ClientFacts = NOBODY, *, reason: str = "revoked"
    ) -> bool:
        """End one session by its public id; False: there is none. Durable in either case."""
        return await revoking.revoke(self._core, id, client, reason)

    async def revoke_all(
        self, subject: str | int, *, keep: str | None = None, client: ClientFacts = NOBODY
    ) -> int:
        """End all sessions of a subject but `keep`, an id; how many ended (R32, R33)."""
        return await revoking.revoke_all(self._core, subject, keep, client)

    async def revoke_everyone(self, client: ClientFacts = NOBODY) -> int:
        """End every session there is, in constant work (R35); the new epoch."""
        return await revoking.revoke_everyone(self._core, client)

    async def find(self, id: str) -> Record | None:
        """A living session by its public id; None for any other text."""
        return await revoking.find(self._core, id)

    async def look(self, id: str) -> Reading:
        """What the store itself, and no cache, says of a living session, or of a claim; else nothing."""
        return await revoking.look(self._core, id)

    def keep_for(self, record: Record, *, cookie: bool) -> int:
        """For how many ms a record that was read now may be believed by who hears of its changes.

        Until it ends, or with `cookie` its cookie does; until activity is to be noted; at most
        `holdfast.engine.core.KEPT_MOST`.
        """
        return self._core.keep_for(record, self._core.clock(), cookie=cookie)

    async def load(self, id: str, client: ClientFacts = NOBODY) -> Session | None:
        """A living session by its public id, for code that acts in its owner's name; None: gone.

        No credential was presented, so sealed data stay closed.
        """
        record = await self.find(id)
        return None if record is None else self.opened(record, client)

    def opened(self, record: Record, client: ClientFacts = NOBODY) -> Session:
        """The session of a record that `find` has found."""
        return Session(record, plain=self._core.opened(record, None), client=client)

    async def sessions_of(
        self, subject: str | int, *, after: str | None = None, limit: int = 100
    ) -> Page:
        """A page of a subject's living sessions by id; `page.after` continues, None ends (P22)."""
        return await revoking.sessions_of(self._core, subject, after, limit)

    async def sessions_of_everyone(self, *, after: str | None = None, limit: int = 100) -> Page:
        """`sessions_of` for all subjects at once, and for sessions of nobody.

        A page may be empty and still have an `after`.
        """
        return await revoking.living_page(self._core, None, after, limit)

    async def sweep(
        self, *, limit: int = 1000, progress: Callable[[int], None] | None = None
    ) -> int:
        """Remove expired records, `limit` at a time, never a live one; how many went (R42).

        `progress` is called with the running total after each batch.
        """
        return await revoking.sweep(self._core, limit, progress)
