"""The settings of limits: how often, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from holdfast.settings.checks import refuse, require_kinds

MOST_COUNTED = 1_000_000_000
"""The most of anything that a store counts: sessions of one subject, requests in a period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `limit` in any `period`, sliding."""

    limit: int = 100
    """So many, at most, in any window as long as `period`."""
    period: timedelta = timedelta(minutes=15)
    """The length of the window, at least one second."""

    def __post_init__(self) -> None:
        require_kinds(self, "rate.")
        if not 1 <= self.limit <= MOST_COUNTED:
            refuse("rate.limit", f"must be at least 1, and at most {MOST_COUNTED}", "100")
        if self.period < timedelta(seconds=1):
            refuse("rate.period", "must be at least one second", "timedelta(minutes=15)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A named policy's idle and absolute limit."""

    idle: timedelta = timedelta(hours=24)
    """The cookie ends after this time without a request."""
    absolute: timedelta = timedelta(days=7)
    """Everything ends this long after the sign-in, however active the session is."""

    def __post_init__(self) -> None:
        require_kinds(self, "limits.")
