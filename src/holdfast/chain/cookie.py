"""Step 2, cookie: its name, and the text that sets or clears it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast.rules import cookies
from holdfast.settings import ms

if TYPE_CHECKING:
    from holdfast.chain.reply import Headers
    from holdfast.chain.request import Visit
    from holdfast.settings import Settings

_log = logging.getLogger("holdfast")


class SessionCookie:
    """The session cookie as the settings describe it."""

    def __init__(self, settings: Settings) -> None:
        self._cookie = cookie = settings.cookie
        self._clear_site_data = ", ".join(f'"{kind}"' for kind in settings.clear_site_data)
        self._warned = not cookie.secure
        self.name = cookie.name
        self._max_age = None if cookie.max_age is None else ms(cookie.max_age) // 1000
        _warn_of_forgetting(settings)

    def set(self, value: str, *, browser_only: bool = False) -> str:
        """The `Set-Cookie` that hands out a session; `browser_only`: until the browser closes."""
        cookie = self._cookie
        return cookies.set_cookie(
            cookie.name,
            value,
            max_age=None if browser_only else self._max_age,
            secure=cookie.secure,
            same_site=cookie.same_site,
            domain=cookie.domain,
            path=cookie.path,
        )

    def expire(self) -> str:
        """The `Set-Cookie` that erases it (R41)."""
        cookie = self._cookie
        return cookies.expire_cookie(
            cookie.name,
            secure=cookie.secure,
            same_site=cookie.same_site,
            domain=cookie.domain,
            path=cookie.path,
        )

    def handed_out(self, visit: Visit) -> Headers:
        """The headers for a session that has got a new or renewed secret."""
        session = visit.session
        self._warn_of_loss(visit)
        return (("Set-Cookie", self.set(session.cookie or "", browser_only=session.browser_only)),)

    def withdrawn(self, visit: Visit) -> Headers:
        """The headers that erase the cookie: only one whose session this very request has ended.

        An unknown or expired cookie is left alone: this answer could otherwise erase the cookie
        that a parallel sign-in has just set. So is the one beside a bearer token: it was not read.
        """
        session = visit.session
        if not session.ended or visit.came_by != "cookie" or session.cookie is not None:
            return ()
        expired = ("Set-Cookie", self.expire())
        if not self._clear_site_data:
            return (expired,)
        return expired, ("Clear-Site-Data", self._clear_site_data)

    def _warn_of_loss(self, visit: Visit) -> None:
        if not self._warned and visit.origin.startswith("http:") and not visit.trial:
            self._warned = True
            _log.warning(
                "a Secure cookie was set over plain HTTP: browsers keep it on loopback only, other"
                " clients drop it; for development: Settings.for_development(), or for the service"
                " HOLDFAST_PROFILE=development"
            )


def _warn_of_forgetting(settings: Settings) -> None:
    """Who makes `idle` longer and leaves the cookie as it is would look in vain for the reason."""
    longest = max(settings.idle, *(each.idle for each in settings.policies.values()), timedelta(0))
    kept = settings.cookie.max_age
    if kept is not None and kept < longest:
        _log.warning(
            "browsers drop the cookie after %s without a request, though idle is %s: set"
            " cookie=Cookie(max_age=timedelta(seconds=%d))",
            kept,
            longest,
            longest.total_seconds(),
        )
