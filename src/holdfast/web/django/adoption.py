"""Moving in: a live session of Django's own back end becomes a Holdfast session, and is gone.

HOLDFAST_ADOPT = {"engine": "django.contrib.sessions.backends.db", "cookie": "sessionid"}

The old back end reads and deletes its sessions by its own code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import SuspiciousOperation
from django.middleware.csrf import CSRF_SESSION_KEY
from django.utils.module_loading import import_string

from holdfast.adoption import Faces
from holdfast.errors import ConfigurationError, NotSerializable, StoreUnavailable
from holdfast.protocols import OldSession
from holdfast.web.django.values import SerializerValues

if TYPE_CHECKING:
    from django.conf import LazySettings

T = TypeVar("T")
Call = Callable[[Callable[[], T]], Coroutine[Any, Any, T]]

_STATELESS = "django.contrib.sessions.backends.signed_cookies"
_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DjangoSessions:
    """What `HOLDFAST_ADOPT` names; `serializer` is the project's `SESSION_SERIALIZER`."""

    engine: str
    cookie: str
    path: str
    domain: str | None
    serializer: str

    def open(self, *, timeout: float) -> Faces:  # noqa: ARG002 - Django's back ends have their own
        """See `holdfast.adoption.Adopted`."""
        return Faces(Engine(self, _at_once), Engine(self, _in_a_thread), lambda: None)


class Engine:
    """`holdfast.protocols.OldSessions` by an engine of Django; `call` says where it may wait."""

    name = "django"

    def __init__(self, place: DjangoSessions, call: Call[Any]) -> None:
        self.cookie, self.path, self.domain = place.cookie, place.path, place.domain
        self._engine = place.engine
        self._values = SerializerValues(import_string(place.serializer)())
        self._call = call

    def key_of(self, value: str) -> str | None:
        """The cookie is the key."""
        return value if _KEY.fullmatch(value) else None

    async def read(self, key: str) -> OldSession | None:
        """See the protocol, as for the method below."""
        old: dict[str, Any] = await self._call(lambda: self._load(key))
        subject = old.pop(SESSION_KEY, None)
        old.pop(CSRF_SESSION_KEY, None)
        for name, value in old.items():
            with suppress(NotSerializable):  # left behind
                old[name] = self._values.to_json(name, value)
        return OldSession(subject, old) if subject is not None or old else None

    async def remove(self, key: str) -> None:
        """The back end does not mind that it is gone already; nor, here, that there never was one."""
        await self._call(lambda: self._asked(lambda: self._delete(key)))

    def _load(self, key: str) -> dict[str, Any]:
        return self._asked(lambda: dict(self._store(key).load()))

    def _delete(self, key: str) -> None:
        with suppress(SuspiciousOperation):  # one back end refuses keys that it never made
            self._store(key).delete()

    def _store(self, key: str) -> Any:
        return import_module(self._engine).SessionStore(key)

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except Exception as error:  # each back end has errors of its own
            raise StoreUnavailable(
                f"Django's own sessions cannot be asked ({type(error).__name__})"
            ) from error


async def _at_once(question: Callable[[], T]) -> T:
    return question()


async def _in_a_thread(question: Callable[[], T]) -> T:
    return await sync_to_async(question)()


def of(conf: LazySettings) -> DjangoSessions | None:
    """What this project has to bring over, if it asks for it.

    Raises:
        ConfigurationError: the old back end cannot delete a session.
    """
    wanted: dict[str, str] | None = getattr(conf, "HOLDFAST_ADOPT", None)
    if not wanted:
        return None
    if wanted["engine"] == _STATELESS:
        raise ConfigurationError(
            "HOLDFAST_ADOPT: signed cookies cannot be deleted, so each would be good again and again;"
            " for example {'engine': 'django.contrib.sessions.backends.db'}"
        )
    return DjangoSessions(
        engine=wanted["engine"],
        cookie=wanted.get("cookie", "sessionid"),
        path=conf.SESSION_COOKIE_PATH,
        domain=conf.SESSION_COOKIE_DOMAIN,
        serializer=conf.SESSION_SERIALIZER,
    )
