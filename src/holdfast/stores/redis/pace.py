"""How soon a server that refused a connection is tried again: a little later each time, never in step."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from holdfast.stores.redis.errors import Lost

if TYPE_CHECKING:
    from holdfast.stores.redis.target import Address

_FIRST_S = 0.02
_LONGEST_S = 1.0


class Pace:
    """Counts failed attempts by address. Two threads that count at once lose nothing that matters."""

    def __init__(self) -> None:
        self._failures: dict[Address, tuple[int, float]] = {}

    def require_due(self, address: Address) -> None:
        """Let an attempt pass, unless one has failed just now.

        Raises:
            Lost: it is too early.
        """
        failed = self._failures.get(address)
        if failed and time.monotonic() < failed[1]:
            raise Lost(f"the Redis server at {address} could not be reached a moment ago")

    def failed(self, address: Address) -> None:
        """Note a failed attempt."""
        times = self._failures.get(address, (0, 0.0))[0] + 1
        most = min(_FIRST_S * 2 ** min(times, 10), _LONGEST_S)
        self._failures[address] = (times, time.monotonic() + random.uniform(0, most))  # noqa: S311

    def succeeded(self, address: Address) -> None:
        """Note that the server is there."""
        self._failures.pop(address, None)
