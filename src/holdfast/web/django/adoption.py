"""Moving in: a live session of Django's own back end becomes a Holdfast session, and is gone.

HOLDFAST_ADOPT = {"engine": "django.contrib.sessions.backends.db", "cookie": "sessionid"}

The old cookie is read at a safe request of who has no session here yet, by the old back end itself.
The new session has a new id; the old one is deleted once the new one is stored.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.middleware.csrf import CSRF_SESSION_KEY

from holdfast.errors import ConfigurationError, NotSerializable

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from holdfast.session import Session
    from holdfast.web.django.view import View

_STATELESS = "django.contrib.sessions.backends.signed_cookies"
_log = logging.getLogger("holdfast")


class Adoption:
    """The old session that a request has named; `done`: it has become a new one, and is deleted.

    Django's back end is asked in a thread, unless the caller is in one.
    """

    def __init__(self, engine: str, cookie: str, key: str) -> None:
        self._old: Any = import_module(engine).SessionStore(key)
        self._cookie = cookie
        self._taken = False
        self.done = False

    async def take(self, view: View, *, threaded: bool) -> None:
        """Bring over what the old session holds; nothing, if there is no such session."""
        old: dict[str, Any] = self._load() if threaded else await sync_to_async(self._load)()
        subject = old.pop(SESSION_KEY, None)
        old.pop(CSRF_SESSION_KEY, None)
        self._taken = subject is not None or bool(old)
        if subject is not None:
            view[SESSION_KEY] = subject
        for key, value in old.items():
            try:
                view[key] = value
            except NotSerializable:
                _log.warning("session[%r] was left behind: it is no JSON", key)

    async def finish(self, session: Session, *, threaded: bool) -> None:
        """Delete the old session if the new one is stored, or has ended already."""
        if not self._taken or (session.record is None and not session.ended):
            return
        if threaded:
            self._old.delete()
        else:
            await sync_to_async(self._old.delete)()
        self.done = True

    def _load(self) -> dict[str, Any]:
        return dict(self._old.load())

    def clear(self, response: HttpResponseBase) -> None:
        """Let the browser forget the old cookie, if it has a name of its own."""
        if self._cookie != settings.SESSION_COOKIE_NAME:
            response.delete_cookie(
                self._cookie, settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN
            )


def of(request: HttpRequest) -> Adoption | None:
    """What this request has to bring over, if the project asks for it.

    Raises:
        ConfigurationError: the old back end cannot delete a session.
    """
    wanted: dict[str, str] | None = getattr(settings, "HOLDFAST_ADOPT", None)
    if not wanted:
        return None
    if wanted["engine"] == _STATELESS:
        raise ConfigurationError(
            "HOLDFAST_ADOPT: signed cookies cannot be deleted, so each would be good again and again;"
            " for example {'engine': 'django.contrib.sessions.backends.db'}"
        )
    cookie = wanted.get("cookie", "sessionid")
    key = request.COOKIES.get(cookie)
    return Adoption(wanted["engine"], cookie, key) if key else None
