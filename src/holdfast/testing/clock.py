"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """A `holdfast.protocols.Clock` whose time is set by hand: `clock()` is now, in Unix ms."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        """Now, in Unix ms."""
        return self.now

    def advance(self, ms: int) -> int:
        """Move on by `ms` milliseconds (back, if negative); the new time."""
        self.now += ms
        return self.now
