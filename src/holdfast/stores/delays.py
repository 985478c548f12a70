"""How long to wait before each new attempt at a connection."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST = 0.05
LONGEST = 2.0
"""Seconds before the next attempt at most."""


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
