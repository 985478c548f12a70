"""How long to wait before each new attempt at a connection, and how seldom its failure is said."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from holdfast.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST = 0.05
LONGEST = 2.0
"""Seconds before the next attempt at most."""
_SAID_EVERY = 60.0
"""Seconds between errors in the log of a line that comes and goes."""
_log = logging.getLogger("holdfast")


def delays(
    first: float = _FIRST,
    longest: float = LONGEST,
    spread: Callable[[float, float], float] = random.uniform,
) -> Iterator[float]:
    """Seconds to wait before each new attempt: doubling, and spread so that no herd comes back."""
    ceiling = first
    while True:
        yield spread(ceiling / 2, ceiling)
        ceiling = min(ceiling * 2, longest)


class Failures:
    """Says of a line for changes what does not pass by itself, once: it comes again at each attempt."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said_at: float | None = None

    def note(self, error: Exception, *, again: bool) -> None:
        """An attempt has failed, perhaps `again` since the line worked last."""
        now, last = self._clock(), self._said_at
        if last is not None and (again or now - last < _SAID_EVERY):
            return
        self._said_at = now
        stack = None if isinstance(error, StoreError) else error
        _log.error("the line for changes failed, and nothing is cached: %s", error, exc_info=stack)
