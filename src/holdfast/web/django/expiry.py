"""`set_expiry`: a session of its own, shorter limit. The limits of the settings hold beside it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from holdfast.rules import data

if TYPE_CHECKING:
    from holdfast.session import Session

_KEY = "_session_expiry"
_RAW_KEY = b'"_session_expiry"'


def is_set(session: Session) -> bool:
    """Whether the session may have a limit of its own; cheap, since most have none."""
    plain = session.current
    return plain is not None and _RAW_KEY in plain


def apply(session: Session, now: int, slack: int) -> None:
    """End a session that is past its own limit; `slack` is how far `seen_at` may lag, in ms."""
    if session.record is None:
        return
    value = _value(session)
    session.browser_only = value == 0
    if over(value, session.record.seen_at, now, slack):
        session.sign_out()


def browser_only(session: Session) -> bool:
    """Whether the cookie is to go when the browser closes: `set_expiry(0)`."""
    return _value(session) == 0


def over(value: object, seen_at: int, now: int, slack: int) -> bool:
    """Whether the limit has passed: a moment, as text, or seconds without a request; 0 is none."""
    if isinstance(value, int | float):
        return value < 0 or (value > 0 and now >= seen_at + value * 1000 + slack)
    if not isinstance(value, str):
        return False
    try:
        return now >= datetime.fromisoformat(value).timestamp() * 1000
    except ValueError:
        return False


def _value(session: Session) -> object:
    """Looked for in the bytes first, so that a session without a limit is not even decoded."""
    if not is_set(session):
        return None
    value: object = data.decode(session.current or data.EMPTY).get(_KEY)
    return value
