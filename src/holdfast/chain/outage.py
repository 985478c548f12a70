"""What an error of ours is answered with, and what the log says of an outage of the store.

A store that is away fails every request of a busy site, and each has its 503. The log has one warning
when that begins, with what is wrong; while it lasts at most one more every few seconds, with a count; and
one when the store answers again.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from holdfast.chain.reply import CHALLENGE, Refusal, Reply, error_reply
from holdfast.errors import HoldfastError, SessionEnded, StoreCorrupt, StoreError, StoreUnavailable
from holdfast.hooks import weakly

if TYPE_CHECKING:
    from holdfast.protocols import Clock

SAID_EVERY_MS = 10_000
QUIET_MS = 2_000
"""An outage is over when the store answers and nothing has failed for so long: one of several nodes may
be away, or only what is written may fail."""
_log = logging.getLogger("holdfast")


class Outage:
    """Whether the store is away, as the requests of one process have felt it; `clock` is in Unix ms."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begin_anew()
        os.register_at_fork(after_in_child=weakly(self._begin_anew))

    def _begin_anew(self) -> None:
        """In a child of `fork`, too: its parent says what the parent has felt."""
        self._lock = threading.Lock()
        self._since: int | None = None
        self._felt_at = self._said_at = self._refused = 0

    @property
    def lasts(self) -> bool:
        """Whether it has begun and is not over, as far as anybody knows."""
        return self._since is not None

    def reply_to(self, error: HoldfastError) -> Reply:
        """The answer to an error of ours. Its text is for logs; a client gets the code (R165)."""
        if isinstance(error, Refusal):
            return error.reply
        if isinstance(error, StoreUnavailable):
            self.felt(error, refused=1)
        else:
            _note(error)
        return _answer(error)

    def felt(self, error: StoreUnavailable, *, refused: int = 0) -> None:
        """Note that the store did not answer, and say it if that is news; `refused` requests got 503."""
        now = self._clock()
        with self._lock:
            since, quiet = self._since, 0 <= now - self._said_at < SAID_EVERY_MS
            self._felt_at, self._refused = now, self._refused + refused
            if since is None:
                self._since, self._refused = now, refused
            elif quiet:
                return
            self._said_at, count = now, self._refused
        if since is None:
            _log.warning("the store does not answer, so requests get 503: %s", error)
        else:
            _log.warning(
                "the store has not answered for %d s, %d requests got 503: %s",
                _seconds(now - since), count, error,
            )  # fmt: skip

    def answered(self) -> None:
        """Note that the store has taken a write, and say so if it was away and seems to be back."""
        with self._lock:
            since, count = self._since, self._refused
            if since is None or 0 <= self._clock() - self._felt_at < QUIET_MS:
                return
            self._since = None
            lasted = self._felt_at - since
        _log.warning("the store answers again after %d s, %d got 503", _seconds(lasted), count)


def _seconds(ms: int) -> int:
    return max(1, round(ms / 1000))


def _answer(error: HoldfastError) -> Reply:
    if isinstance(error, StoreError):
        return error_reply(503, error.code, None, ("Retry-After", str(error.retry_after)))
    if isinstance(error, SessionEnded):
        return error_reply(401, error.code, None, CHALLENGE)
    message = "Internal server error" if error.http_status >= 500 else None
    return error_reply(error.http_status, error.code, message)


def _note(error: HoldfastError) -> None:
    """What is unclear for one session is one line and no stack: it must not fill a disk (R164)."""
    if isinstance(error, StoreError) and not isinstance(error, StoreCorrupt):
        _log.warning("%s: %s", error.code, error)
    elif error.http_status >= 500:
        _log.error("%s: %s", error.code, error, exc_info=error)
