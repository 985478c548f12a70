"""`SESSION_ENGINE = "holdfast.web.django.sessions"`: Django's session interface, sync and async.

In a request `session_key` is the session's public id, so whoever logs or stores it keeps no
credential. Made from a key by hand, as Django's test client does, a store is keyed by the text of
the cookie. Within a request only `save`, `create` and what names another session touch the store at
once.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase

from holdfast.faces import run
from holdfast.web.django import here, operations
from holdfast.web.django.alone import Alone
from holdfast.web.django.values import serializer_of
from holdfast.web.django.view import View

if TYPE_CHECKING:
    from holdfast.web.django.view import Source


class SessionStore(SessionBase):
    """`request.session`. Its coroutines are for async views, and exist from Django 5.1 on."""

    def __init__(self, session_key: str | None = None, *, source: Source | None = None) -> None:
        self.source: Source = Alone(session_key) if source is None else source
        self.accessed = self.modified = False  # and the rest of Django's own is done when asked for

    serializer = cached_property(serializer_of)

    @cached_property
    def view(self) -> View:
        """What is read and written, made at the first look."""
        return View(self.source, self.serializer())

    def _get_session(self, no_load: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - Django's
        self.accessed = True
        return self.view

    async def _aget_session(self, no_load: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - Django's
        self.accessed = True
        await self.source.read(here.awaiting())
        return self.view

    def _key(self) -> str | None:
        return self.source.key

    def _set_key(self, _value: str | None) -> None:
        """What is stored decides."""

    _session = property(_get_session)
    session_key = property(_key)  # pyright: ignore[reportIncompatibleMethodOverride]  # as there
    _session_key = property(_key, _set_key)  # pyright: ignore[reportIncompatibleMethodOverride]

    async def aget(self, key: str, default: Any = None) -> Any:
        """As `get`; the user whom another service has signed in is looked up in a thread."""
        view = await self._aget_session()
        if view.is_stranger(key):
            await sync_to_async(view.introduce)()
        return view.get(key, default)

    def is_empty(self) -> bool:
        """Whether nothing is stored and nothing is to be."""
        return self.session_key is None and len(self.view) == 0

    def get_session_cookie_age(self) -> int:
        """Seconds without a request after which a session ends."""
        return int(here.assembly().settings.idle.total_seconds())

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's
        """Carry out now what was asked for, for who wants the key or cannot wait.

        Raises:
            UpdateError: the session was ended meanwhile; it is not revived.
            CreateError: `must_create`, and it exists.
            HoldfastError: as `Sessions.commit`.
        """
        run(operations.save(self, here.blocking(), must_create=must_create))

    async def asave(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's
        """As `save`."""
        await operations.save(self, here.awaiting(), must_create=must_create)

    def create(self) -> None:
        """Make a session that is stored even though it is empty; one that exists is cycled."""
        run(operations.create(self, here.blocking()))

    async def acreate(self) -> None:
        """As `create`."""
        await operations.create(self, here.awaiting())

    def exists(self, session_key: str) -> bool:
        """Whether there is a living session of this id or cookie text."""
        return run(operations.exists(here.blocking(), session_key))

    async def aexists(self, session_key: str) -> bool:
        """As `exists`."""
        return await operations.exists(here.awaiting(), session_key)

    def load(self) -> dict[str, Any]:
        """A copy of the data; empty if there is no such session."""
        return dict(self.view)

    async def aload(self) -> dict[str, Any]:
        """As `load`."""
        return dict(await self._aget_session())

    @classmethod
    def clear_expired(cls) -> None:
        """Remove expired sessions, as `manage.py clearsessions` does."""
        here.assembly().blocking.sweep()

    @classmethod
    async def aclear_expired(cls) -> None:
        """As `clear_expired`."""
        await here.assembly().sessions.sweep()

    def clear(self) -> None:
        """Remove all data; who is signed in is signed out."""
        self.view.clear()
        self.accessed = self.modified = True

    def delete(self, session_key: str | None = None) -> None:
        """End this session, or at once another by its id or cookie text."""
        run(operations.delete(self, here.blocking(), session_key))

    async def adelete(self, session_key: str | None = None) -> None:
        """As `delete`."""
        await operations.delete(self, here.awaiting(), session_key)

    def flush(self) -> None:
        """End the session with every credential of it; what is written now starts a new one."""
        self.delete()

    async def aflush(self) -> None:
        """As `flush`."""
        await self.adelete()

    def cycle_key(self) -> None:
        """Give the session a new secret: the old cookie is refused from then on, the id stays."""
        run(operations.cycle(self, here.blocking()))

    async def acycle_key(self) -> None:
        """As `cycle_key`."""
        await operations.cycle(self, here.awaiting())
