"""The last step of moving to an asymmetric key, `holdfast keys settle`, which is easily forgotten.

Until then whoever has the master secret can still make access tokens (R86).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.service.moments import iso

if TYPE_CHECKING:
    from holdfast.rules.keys import KeyRing
    from holdfast.settings import Settings

COMMAND = "holdfast keys settle"


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The key that has taken over, since when, and when the last token of before has expired.

    Times are Unix milliseconds, or None if the key file does not say.
    """

    kid: str
    since: int | None
    due: int | None

    def is_due(self, now: int) -> bool:
        """Whether the command refuses no token that counts."""
        return self.due is None or self.due <= now

    def sentence(self, now: int) -> str:
        """What stands open, since when, and what to do."""
        since = "" if self.since is None else f" since {iso(self.since)}"
        when = "now run" if self.due is None or self.is_due(now) else f"after {iso(self.due)} run"
        return (
            f"access tokens of the master secret count beside those of {self.kid}{since};"
            f" {when}: {COMMAND}"
        )


def unsettled(ring: KeyRing, settings: Settings) -> Unsettled | None:
    """What is to be settled; None: nothing."""
    if not ring.unsettled:
        return None
    since = ring.mixed_since
    longest = settings.access_lifetime + settings.leeway
    due = None if since is None else since + int(longest.total_seconds() * 1000)
    return Unsettled(ring.signer("access").kid, since, due)
