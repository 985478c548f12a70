"""A framework's own session over a Holdfast session: code that was written for it runs unchanged.

Nested values may be changed in place, also after they were assigned. Two requests that change the
same key do not conflict here, since such code could not know what to do: the last one wins. One key
is special, `subject_key`: to set it is to sign in, to remove it, or to clear the session, is to sign
out.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.engine import AsyncSessions
    from holdfast.session import Session
    from holdfast.web.values import Values


class HandedOut(NamedTuple):
    """A value that the application holds and may change in place, and its text when it got it."""

    value: Any
    text: str


class DropIn(MutableMapping[str, Any]):
    """The mapping. Nothing is read before it is touched.

    `kept` are keys whose values outlive a sign-out, such as messages for the next page.
    """

    subject_key: str
    values_as: Values
    kept: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._out: dict[str, HandedOut] = {}
        self.modified = False

    @property
    def held(self) -> Session:
        """The session underneath; a framework's class says where it comes from."""
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        if key == self.subject_key:
            return self._subject()
        raw = self.held[key]
        if self.values_as.is_plain(raw):
            return raw
        if key not in self._out:
            self._hand_out(key, self.values_as.from_json(raw))
        return self._out[key].value

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self.subject_key:
            self._sign_in(value)
        else:
            self._writable()[key] = self.values_as.to_json(key, value)
            self._hand_out(key, value)

    def __delitem__(self, key: str) -> None:
        if key == self.subject_key:
            self._subject()
            self._sign_out()
        else:
            del self._writable()[key]
            self._out.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        if self.held.subject is not None:
            yield self.subject_key
        yield from (key for key in list(self.held) if key != self.subject_key)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Remove everything, and sign out who is signed in."""
        self._out.clear()
        session = self._writable()
        if session.subject is not None:
            session.sign_out()
        session.clear()

    @property
    def settled(self) -> bool:
        """Whether `settle` has nothing to do, as after most requests."""
        return not self._out and self.held.intent != "sign_out"

    async def settle(self, sessions: AsyncSessions) -> None:
        """Take over what was changed in place; the commit is still to come.

        Raises:
            NotSerializable: a value is no JSON any more.
        """
        for key, out in list(self._out.items()):
            if self.values_as.to_text(key, out.value) != out.text:
                self[key] = out.value
        session = self.held
        if session.intent == "sign_out" and len(session):
            await self._begin_anew(session, sessions)

    async def _begin_anew(self, session: Session, sessions: AsyncSessions) -> None:
        """What was written after a sign-out, such as a message, belongs to a session of nobody."""
        left = dict(session)
        with suppress(HoldfastError):  # the chain will try again, and answer for it
            await sessions.commit(session)
            session.update(left)

    def _writable(self) -> Session:
        self.modified = True
        session = self.held
        session.last_wins = True
        return session

    def _hand_out(self, key: str, value: Any) -> None:
        self._out[key] = HandedOut(value, self.values_as.to_text(key, value))

    def _subject(self) -> Any:
        """The subject as the application set it, such as an int; what is signed in decides."""
        subject = self.held.subject
        if subject is None:
            raise KeyError(self.subject_key)
        value = self.values_as.from_json(self.held.get(self.subject_key))
        return value if value is not None and str(value) == subject else subject

    def _sign_in(self, subject: Any) -> None:
        if subject is None:
            self._sign_out()
            return
        session = self._writable()
        session.sign_in(str(subject))
        session.pop(self.subject_key, None)
        if not isinstance(subject, str):
            session[self.subject_key] = self.values_as.to_json(self.subject_key, subject)

    def _sign_out(self) -> None:
        """Data goes with its owner."""
        left = {key: self[key] for key in self.kept if self.get(key)}
        self._out.clear()
        self._writable().sign_out()
        self.update(left)
