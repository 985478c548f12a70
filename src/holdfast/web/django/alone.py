"""A session outside of any request: the test client's, or one that a command looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.faces import run
from holdfast.rules import secret
from holdfast.web.django import here

if TYPE_CHECKING:
    from holdfast.engine import AsyncSessions
    from holdfast.session import Session
    from holdfast.web.django.view import View


class Alone:
    """The session of a cookie's text, which is its key: who has no cookie yet needs it whole.

    A public id opens nothing: it is no credential, and the text here may come from a client.
    """

    alone = True
    view: View | None = None

    def __init__(self, text: str | None) -> None:
        self._text = text
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The session, read when it is first asked for."""
        return run(self.read(here.blocking()))

    @property
    def key(self) -> str | None:
        """The cookie's text; None if nothing is stored."""
        session = self._session
        if session is None:
            return self._text
        if session.record is None or session.secret is None:
            return None
        return secret.cookie_text(session.record.id, session.secret)

    async def read(self, sessions: AsyncSessions) -> Session:
        """The session, read by this engine if it was not read before."""
        if self._session is None:
            self._session = await sessions.begin(self._text)
        return self._session
