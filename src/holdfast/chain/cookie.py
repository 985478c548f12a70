"""Step 2, cookie: its name, and the text that sets or clears it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.rules import cookies
from holdfast.settings import ms

if TYPE_CHECKING:
    from holdfast.settings import Cookie


class SessionCookie:
    """The session cookie as the settings describe it."""

    def __init__(self, cookie: Cookie) -> None:
        self._cookie = cookie
        self.name = cookie.name
        self._max_age = None if cookie.max_age is None else ms(cookie.max_age) // 1000

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
