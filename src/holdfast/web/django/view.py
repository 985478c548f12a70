"""What `request.session` reads and writes: Django's keys over a Holdfast session.

`_auth_user_id`, which `login` sets, is the subject. `_csrftoken` is never stored: Django finds the
session's own secret there. A session that another service has signed in gets the two further keys
that `contrib.auth` wants, for the user that its subject names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.exceptions import SessionInterrupted
from django.middleware.csrf import CSRF_SESSION_KEY

from holdfast.web.django import expiry, introduction
from holdfast.web.django.csrf import Secret
from holdfast.web.django.values import Serializer, SerializerValues
from holdfast.web.drop_in import DropIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.engine import AsyncSessions
    from holdfast.session import Session
    from holdfast.web.django.exchange import Exchange

KEPT = "_holdfast_kept"
"""Data of a session that was created before there was anything to keep."""

_OF_AUTH = (BACKEND_SESSION_KEY, HASH_SESSION_KEY)


class Source(Protocol):
    """Where a session comes from: the request, or a key that somebody has.

    `alone`: no middleware will commit. `view` is what the application got of it, if it has looked.
    """

    alone: bool
    view: View | None

    @property
    def session(self) -> Session:
        """The session, read by now."""
        ...

    @property
    def key(self) -> str | None:
        """What Django calls the session key; None if nothing is stored."""
        ...

    async def read(self, sessions: AsyncSessions) -> Session:
        """The session, read by this engine if it was not read before."""
        ...


class View(DropIn):
    """The mapping."""

    subject_key = SESSION_KEY

    def __init__(self, source: Source, serializer: Serializer) -> None:
        super().__init__()
        self._source = source
        source.view = self  # which settles it at the end
        self.values_as = SerializerValues(serializer)

    @property
    def held(self) -> Session:
        """The session underneath."""
        return self._source.session

    def __getitem__(self, key: str) -> Any:
        if key == CSRF_SESSION_KEY:
            return self._csrf_secret()
        if self.is_stranger(key):
            self.introduce()
        value = super().__getitem__(key)
        if key == SESSION_KEY and not introduction.may_be_user(value):
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if key != CSRF_SESSION_KEY:
            super().__setitem__(key, value)

    def __iter__(self) -> Iterator[str]:
        hidden = {KEPT} if SESSION_KEY in self else {KEPT, SESSION_KEY}
        return (key for key in super().__iter__() if key not in hidden)

    async def settle(self, sessions: AsyncSessions) -> None:
        """As `DropIn.settle`; a limit that was set counts from now on."""
        await super().settle(sessions)
        if self.modified:
            self.held.browser_only = expiry.browser_only(self.held)

    def is_stranger(self, key: str) -> bool:
        """Whether this asks for what `contrib.auth` has not noted of a user signed in elsewhere."""
        return key in _OF_AUTH and key not in self.held and self.held.subject is not None

    def introduce(self) -> None:
        """Note the user whom the subject names; who is no user of this project stays a stranger."""
        noted = introduction.of(str(self.held.subject))
        if noted is not None and not self.held.closed:
            self.update(zip(_OF_AUTH, noted, strict=True))

    def _csrf_secret(self) -> Secret:
        """What Django's CSRF tokens are made of; there is none outside a request."""
        if self._source.alone:
            raise KeyError(CSRF_SESSION_KEY)
        return Secret(cast("Exchange", self._source))

    def end(self) -> None:
        """End the session, whoever's it is."""
        self.clear()
        if self.held.record is not None:
            self._writable().sign_out()

    def rotate(self) -> None:
        """Give the session a new secret; there must be one."""
        self._writable().rotate()

    def _writable(self) -> Session:
        if self.held.closed:
            raise SessionInterrupted(
                "the answer has begun; change the session before the first byte is sent"
            )
        return super()._writable()
