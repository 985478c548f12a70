"""Paths that have no session: those of `exclude_paths`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Excluded:
    """The paths as they are written, and all below those that end with a slash, except the root.

    Who gets around the comparison gains nothing: the path then has a session, and with it all
    checks. Who is taken for excluded has none.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._exact = frozenset(paths)
        self._below = tuple(path for path in paths if path != "/" and path.endswith("/"))

    def __contains__(self, path: str) -> bool:
        return path in self._exact or path.startswith(self._below)
