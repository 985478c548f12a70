"""For how long what is open may stay so: sockets and streams, on event loops and in threads."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast.engine.verifying import revoked
from holdfast.settings import ms

if TYPE_CHECKING:
    from holdfast.engine import AsyncSessions
    from holdfast.record import Record
    from holdfast.session import Session

MOST = timedelta(minutes=1)
"""What nobody told of ends here, as in the near cache."""

EVENTS = "text/event-stream"
"""The media type whose clients come back by themselves."""


def lasts(sessions: AsyncSessions, session: Session, record: Record | None) -> int:
    """For how many ms the credential counts that this was opened with, if nothing happens.

    An access token may expire meanwhile: that is no end of its session.
    """
    token = session.token_claims
    if record is None or (token is not None and revoked(record, token, "access")):
        return 0
    return ms(sessions.keep_for(record, MOST, cookie=token is None))


def signed_in(session: Session) -> str | None:
    """The id of a session that somebody is signed in with; None: nothing open of it need end."""
    record = session.record
    return None if record is None or record.subject is None else record.id
