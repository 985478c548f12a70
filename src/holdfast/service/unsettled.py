"""The last step of moving to an asymmetric key, `holdfast keys settle`, which is easily forgotten.

Until then whoever has the master secret can still make access tokens (R86). Before one access-token
lifetime after the last restart the command would refuse tokens that count: a process signs with the
keys that it was started with, so those of before go on with the master secret. When that restart was
only a process knows that has been started since; the key file does not say.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from holdfast.service.moments import iso

if TYPE_CHECKING:
    from holdfast.rules.keys import KeyRing
    from holdfast.settings import Settings

COMMAND = "holdfast keys settle"


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The key that has taken over, since when, and how long a token of before counts.

    `since`, Unix milliseconds, is when the key file was changed, or None if it does not say; `wait_s`
    are seconds; `started`, Unix milliseconds, is when the process that asks was, if it serves.
    """

    kid: str
    since: int | None
    wait_s: int
    started: int | None

    @property
    def due(self) -> int | None:
        """When the tokens of before have expired, in Unix milliseconds; None: nobody here knows.

        This holds if no older process has gone on beside the one that asks.
        """
        if self.started is None:
            return None
        return max(self.since or 0, self.started) + self.wait_s * 1000

    def is_old(self, now: int) -> bool:
        """Whether it has been open for longer than it must be, so that somebody may have forgotten.

        It may not be due for all that.
        """
        return self.since is None or self.since + self.wait_s * 1000 <= now

    def sentence(self) -> str:
        """What stands open, since when, and what to do."""
        since = "" if self.since is None else f" since {iso(self.since)}"
        when = (
            f"{self.wait_s} s after the last process was restarted with that key"
            if self.due is None
            else f"after {iso(self.due)}"
        )
        return (
            f"access tokens of the master secret count beside those of {self.kid}{since};"
            f" {when} run: {COMMAND}"
        )


def unsettled(ring: KeyRing, settings: Settings, *, started: int | None = None) -> Unsettled | None:
    """What is to be settled; None: nothing. `started`: when the process began that has the ring."""
    if not ring.unsettled:
        return None
    longest = settings.access_lifetime + settings.leeway
    wait_s = ceil(longest.total_seconds())
    return Unsettled(ring.signer("access").kid, ring.mixed_since, wait_s, started)
