"""`flask.session` over a Holdfast session: existing code runs unchanged.

Nested values may be changed in place, also after they were assigned. Two requests that change the
same key do not conflict here, since code written for Flask could not know what to do: the last one
wins. One key is special, `subject_key`: to set it is to sign in, to remove it, or to clear the
session, is to sign out.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from flask.sessions import SessionMixin

from holdfast.errors import HoldfastError
from holdfast.faces import run
from holdfast.web.flask import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.session import Session
    from holdfast.web.wsgi_exchange import Exchange

_FLASHES = "_flashes"


class HandedOut(NamedTuple):
    """A value that the application holds and may change in place, and its text when it got it."""

    value: Any
    text: str


class FlaskSession(SessionMixin):
    """The mapping that `flask.session` stands for. Nothing is read before it is touched."""

    def __init__(self, exchange: Exchange, subject_key: str) -> None:
        self.exchange = exchange
        self._subject_key = subject_key
        self._out: dict[str, HandedOut] = {}
        self.modified = False

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether nothing is stored yet."""
        return self._session.record is None

    def __getitem__(self, key: str) -> Any:
        if key == self._subject_key:
            return self._subject()
        raw = self._session[key]
        if values.is_plain(raw):
            return raw
        if key not in self._out:
            self._hand_out(key, values.from_json(raw))
        return self._out[key].value

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self._subject_key:
            self._sign_in(value)
        else:
            self._writable()[key] = values.to_json(key, value)
            self._hand_out(key, value)

    def __delitem__(self, key: str) -> None:
        if key == self._subject_key:
            self._subject()
            self._sign_out()
        else:
            del self._writable()[key]
            self._out.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        if self._session.subject is not None:
            yield self._subject_key
        yield from (key for key in list(self._session) if key != self._subject_key)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Remove everything, and sign out who is signed in."""
        self._out.clear()
        session = self._writable()
        if session.subject is not None:
            session.sign_out()
        session.clear()

    def save(self) -> None:
        """Take over what was changed in place."""
        for key, out in list(self._out.items()):
            if values.to_text(key, out.value) != out.text:
                self[key] = out.value
        session = self._session
        if session.intent == "sign_out" and len(session):
            self._begin_anew(session)

    def _begin_anew(self, session: Session) -> None:
        """What was written after a sign-out, such as a message, belongs to a session of nobody."""
        left = dict(session)
        with suppress(HoldfastError):  # the chain will try again, and answer for it
            run(self.exchange.chain.sessions.commit(session))
            session.update(left)

    @property
    def _session(self) -> Session:
        return self.exchange.session

    def _writable(self) -> Session:
        self.modified = True
        session = self._session
        session.last_wins = True
        return session

    def _hand_out(self, key: str, value: Any) -> None:
        self._out[key] = HandedOut(value, values.to_text(key, value))

    def _subject(self) -> Any:
        """The subject as the application set it, such as an int; what is signed in decides."""
        subject = self._session.subject
        if subject is None:
            raise KeyError(self._subject_key)
        value = values.from_json(self._session.get(self._subject_key))
        return value if value is not None and str(value) == subject else subject

    def _sign_in(self, subject: Any) -> None:
        if subject is None:
            self._sign_out()
            return
        session = self._writable()
        session.sign_in(str(subject))
        session.pop(self._subject_key, None)
        if not isinstance(subject, str):
            session[self._subject_key] = values.to_json(self._subject_key, subject)

    def _sign_out(self) -> None:
        """Data goes with its owner; only messages for the next page stay."""
        flashes = self.get(_FLASHES)
        self._out.clear()
        self._writable().sign_out()
        if flashes:
            self[_FLASHES] = flashes
