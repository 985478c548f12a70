"""The settings of the session cookie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from holdfast.settings.checks import refuse, require_kinds

SameSite = Literal["Strict", "Lax", "None"]
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")
_MAX_AGE = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """The session cookie. `max_age` None means: until the browser closes (R12)."""

    name: str = "__Host-session"
    """The cookie's name. A `__Host-` name needs `secure`, `path` "/" and no `domain`."""
    secure: bool = True
    """Whether browsers send it over HTTPS only."""
    same_site: SameSite = "Strict"
    """Which requests of other sites it travels with: none, links (`Lax`), or all (`None`)."""
    domain: str | None = None
    """A parent domain whose hosts all get the cookie; None: this host alone."""
    path: str = "/"
    """The path below which browsers send it."""
    max_age: timedelta | None = timedelta(hours=24)
    """How long browsers keep it, at most 400 days; None: until they close (R12)."""

    def __post_init__(self) -> None:
        require_kinds(self, "cookie.")
        if not _NAME.match(self.name):
            refuse("cookie.name", "is not a cookie name", "'__Host-session'")
        if self.domain is not None and not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", self.domain):
            refuse("cookie.domain", "is not a host name", "None or 'example.org'")
        if not re.fullmatch(r"/[A-Za-z0-9/_.~-]*", self.path):
            refuse("cookie.path", "is not a path", "'/'")
        self._check_prefix()
        if self.same_site == "None" and not self.secure:
            refuse("cookie.same_site", "'None' needs secure=True (R54)", "'Strict'")
        if self.max_age is not None and not timedelta(0) < self.max_age <= _MAX_AGE:
            refuse(
                "cookie.max_age",
                "must be above 0 and at most 400 days (R57)",
                "timedelta(hours=24)",
            )

    def _check_prefix(self) -> None:
        lower = self.name.lower()
        if lower.startswith(("__host-", "__secure-", "__http-")) and not self.secure:
            refuse("cookie.name", "a prefixed name needs secure=True (R51)", "'session'")
        if lower.startswith("__host-") and (self.domain is not None or self.path != "/"):
            refuse(
                "cookie.name", "'__Host-' needs path='/' and no domain (R52)", "'__Secure-session'"
            )
