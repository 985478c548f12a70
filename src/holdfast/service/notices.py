"""One sentence about what has just happened, shown on the next page and then gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.service.sentences import Sentence, sentence

if TYPE_CHECKING:
    from holdfast.session import Session

_KEY = "holdfast.notice"

SIGNED_OUT = "signed-out"
ENDED = "ended"

# For pages without a session: the address names the sentence, and cannot bring one of its own.
_WITHOUT_SESSION = {
    SIGNED_OUT: Sentence("You are signed out."),
    ENDED: Sentence("Your session has ended. Sign in again to go on."),
}


def put(session: Session, said: Sentence) -> None:
    """Keep a sentence for the next page of this session."""
    session.change(lambda data: data.update({_KEY: list(said)}))


def take(session: Session) -> Sentence | None:
    """The sentence, once; None if there is none."""
    kept = session.get(_KEY)
    if kept is not None:
        session.change(_forget)
    return sentence(kept)


def named(name: str | None) -> Sentence | None:
    """The sentence of this name, for a page without a session."""
    return _WITHOUT_SESSION.get(name or "")


def _forget(data: dict[str, Any]) -> None:
    data.pop(_KEY, None)
