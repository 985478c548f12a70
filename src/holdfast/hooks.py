"""Hooks for the process: at fork, at exit, at a loss. Whoever is hooked in may still go away."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def weakly(method: Callable[[], None]) -> Callable[[], None]:
    """The bound method as a hook that does not keep its object alive, and then does nothing."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        bound = reference()
        if bound is not None:
            bound()

    return call
