"""How many requests may still be made: a sliding window of 16 sub-buckets (R148, P59).

A bucket is one sixteenth of the period, and a window that ends now touches at most 17 of them. All
17 are counted in full, also the oldest, of which only a part may lie inside the window. So the full
burst is allowed from rest, and never more than `limit` in any window as long as `period`; the price
is that a spent unit comes back up to one sixteenth of the period late.

The state is 76 bytes: the number of the newest bucket, and 17 counts, the newest first. A refusal
leaves the state as it was, so that a client which is out of budget costs no write (but for one when
the clock was put back).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from holdfast.errors import UsageError
from holdfast.protocols import Taken

if TYPE_CHECKING:
    from collections.abc import Sequence

BUCKETS = 16
SLOTS = BUCKETS + 1

_LAYOUT = struct.Struct(f"<Q{SLOTS}I")
_MOST = 2**32 - 1
_EMPTY = (0,) * SLOTS


def name(key: str, period: int) -> str:
    """The key under which a store keeps the state: it carries the strategy and the period in ms.

    Another release's strategy or another period starts afresh and never misreads a state (P59);
    another limit goes on with what has been spent.
    """
    return f"w{BUCKETS}:{period}:{key}"


def take(state: bytes | None, *, limit: int, period: int, now: int) -> tuple[bytes | None, Taken]:
    """Spend one of `limit` per `period` ms at the time `now` (Unix ms).

    `state` is what the last call returned for this key and period; None, or anything of another
    length, is a quota at rest. When the request is refused the same object comes back, and
    `retry_after` is the exact time in ms after which one is available again. A limit below 1 never
    allows anything, and names the period.

    Raises:
        UsageError: `period` is not positive.
    """
    if period < 1:
        raise UsageError("the period of a quota must be at least 1 ms")
    bucket = now * BUCKETS // period
    state, newest, counts = _at(state, bucket)
    spent = sum(counts)
    if spent >= limit or counts[0] == _MOST:
        wait = _wait(newest, counts, limit, period, now)
        return state, Taken(allowed=False, remaining=0, retry_after=wait)
    packed = _LAYOUT.pack(newest, counts[0] + 1, *counts[1:])
    return packed, Taken(allowed=True, remaining=limit - spent - 1, retry_after=0)


def ends_at(state: bytes, period: int) -> int:
    """When nothing of `state` counts any more, in Unix ms: from then on it may be dropped."""
    if len(state) != _LAYOUT.size:
        return 0
    newest: int = _LAYOUT.unpack(state)[0]
    return _leaves_at(newest, period)


def _at(state: bytes | None, bucket: int) -> tuple[bytes | None, int, Sequence[int]]:
    """The state, the newest bucket and the 17 counts as seen from `bucket`.

    If the clock was put back by more than a period, all that is known counts as spent just now, also
    in the state: nobody gains by it, and nobody is locked out until the clock has caught up.
    """
    if state is None or len(state) != _LAYOUT.size:
        return None, bucket, _EMPTY
    newest, *counts = _LAYOUT.unpack(state)
    passed = bucket - newest
    if passed <= 0 <= passed + BUCKETS:
        return state, newest, counts
    if passed < 0:
        counts = [min(sum(counts), _MOST), *_EMPTY[1:]]
        return _LAYOUT.pack(bucket, *counts), bucket, counts
    return state, bucket, [*_EMPTY[:passed], *counts[: SLOTS - min(passed, SLOTS)]]


def _wait(newest: int, counts: Sequence[int], limit: int, period: int, now: int) -> int:
    """The ms until enough of the oldest buckets have left for one more to fit."""
    if limit < 1:
        return period
    left = sum(counts)
    for age in range(SLOTS - 1, -1, -1):
        left -= counts[age]
        if left < limit:
            return _leaves_at(newest - age, period) - now
    return period


def _leaves_at(bucket: int, period: int) -> int:
    """The first ms at which `bucket` is no longer among the 17 of the window."""
    return -(-(bucket + SLOTS) * period // BUCKETS)
