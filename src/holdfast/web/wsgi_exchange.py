"""One request and its answer under WSGI: the session is read when somebody first asks for it.

An unsafe request is judged whole before the application runs, since CSRF needs the session. A safe
one is judged by its transport only; its cookie costs nothing on a page that never looks at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain import Chain, Reply, Visit
from holdfast.errors import HoldfastError, StoreError
from holdfast.faces import run
from holdfast.stores.feed import moment
from holdfast.web.lasting import in_time
from holdfast.web.wsgi_body import Body
from holdfast.web.wsgi_request import Environ, facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.session import Session

_OUTAGE = 503
_SERVER_ERROR = 500


class Exchange:
    """`visit` is what the transport let in; `session` and `seen` read the session first.

    `before_commit` runs when the answer begins, for a view of the session that has yet to be saved.
    `alone` says that no middleware will commit.
    """

    def __init__(self, chain: Chain, environ: Environ, *, alone: bool = False) -> None:
        self.chain = chain
        self.alone = alone
        self.before_commit: Callable[[], None] | None = None
        self._failure: StoreError | None = None
        self._closed = False
        body = Body(environ)
        request = facts(environ, chain.headers, body.field)
        self.visit = visit = chain.arrive(request)
        self._known = visit.unsafe
        if visit.unsafe and visit.reply is None and not visit.excluded:
            since = moment()
            visit.reply = run(chain.judge(visit))
            proved = run(in_time(chain, visit, since))
            if proved is not None:
                body.hold_to(proved)

    @property
    def session(self) -> Session:
        """The visitor's session; on an excluded path an empty one that takes no change.

        Raises:
            StoreError: the store cannot answer; whatever the application makes of it, the answer
                will be 503 (P20).
        """
        return self.seen().session

    @property
    def known(self) -> Session | None:
        """The session if it was read; nobody asks the store for this."""
        return self.visit.session if self._known and self._failure is None else None

    def seen(self) -> Visit:
        """The visit, with its session read."""
        if self._failure is not None:
            raise self._failure
        if not self._known:
            self._read()
        return self.visit

    def commit(self, status: int) -> Reply:
        """Carry out what was asked of the session; see `Chain.commit`."""
        self._closed = True
        if self._failure is not None:
            return Reply() if status == _OUTAGE else self.chain.reply_to(self._failure)
        if not self._known:
            return Reply()
        kept = status < _SERVER_ERROR and not self.visit.raised
        try:
            if self.before_commit is not None and kept:
                self.before_commit()
        except HoldfastError as error:
            return run(self.chain.fail(self.visit, error))
        return self.chain.commit_at_once(self.visit) or run(self.chain.commit(self.visit, status))

    def commit_early(self) -> None:
        """Carry out what was asked of the session so far, for a view that needs its new secret.

        Raises:
            HoldfastError: it could not be done.
        """
        if self.before_commit is not None:
            self.before_commit()
        run(self.chain.sessions.commit(self.visit.session))

    def fail(self, error: HoldfastError) -> Reply:
        """The answer to an error that the application raised; see `Chain.fail`."""
        self._closed = True
        if self._failure is not None or not self._known:
            return self.chain.reply_to(error)
        return run(self.chain.fail(self.visit, error))

    def _read(self) -> None:
        if not self.visit.excluded:
            try:
                if not self.chain.identify_at_once(self.visit):
                    run(self.chain.identify(self.visit))
            except StoreError as error:
                self._failure = error
                raise
            self.visit.session.closed = self._closed
        self._known = True
