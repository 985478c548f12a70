"""Waiting for real processes, a bounded time."""

import time

from holdfast.errors import StoreUnavailable


def resumed(verb, seconds=10):
    """What a verb returns as soon as the store answers again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return verb()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
