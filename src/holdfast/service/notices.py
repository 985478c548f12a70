"""One sentence about what has just happened, shown on the next page and then gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.session import Session

_KEY = "holdfast.notice"

SIGNED_OUT = "signed-out"
ENDED = "ended"

# For pages without a session: the address names the sentence, and cannot bring one of its own.
_WITHOUT_SESSION = {
    SIGNED_OUT: "You are signed out.",
    ENDED: "Your session has ended. Sign in again to go on.",
}


def put(session: Session, text: str) -> None:
    """Keep a sentence for the next page of this session."""
    session.change(lambda data: data.update({_KEY: text}))


def take(session: Session) -> str | None:
    """The sentence, once; None if there is none."""
    text: str | None = session.get(_KEY)
    if text is not None:
        session.change(_forget)
    return text


def named(name: str | None) -> str | None:
    """The sentence of this name, for a page without a session."""
    return _WITHOUT_SESSION.get(name or "")


def _forget(data: dict[str, Any]) -> None:
    data.pop(_KEY, None)
