"""The target of a request as a proxy reports it: accepted in one spelling, or not at all (P52).

A decision about a path is worth nothing if the server behind reads another path. What two parsers
may read in two ways is refused, not repaired: absolute and authority forms, dot segments, an empty
segment at the beginning, a backslash, control characters and spaces, a fragment, and an encoded
slash, backslash, dot or NUL.
"""

from __future__ import annotations

import re

MAX_TARGET = 8 * 1024
"""Characters; longer targets are refused before any work (P37)."""

_TARGET = re.compile(r"/(?!/)[!-\"$-\[\]-~]*\Z")
_AMBIGUOUS = re.compile(r"/\.{1,2}(?:/|\Z)|%(?:2f|5c|2e|00)|%(?![0-9a-f]{2})", re.IGNORECASE)
_METHOD = re.compile(r"[A-Z]{1,20}\Z")


def valid_target(text: str) -> bool:
    """Whether this is a path with or without a query, which every parser reads alike."""
    if len(text) > MAX_TARGET or _TARGET.match(text) is None:
        return False
    return _AMBIGUOUS.search(text.partition("?")[0]) is None


def valid_method(text: str) -> bool:
    """Whether this is a method as servers spell it: up to 20 capital letters."""
    return _METHOD.match(text) is not None
