"""A sentence with one name in it, which a page keeps apart from its own words."""

from __future__ import annotations

from typing import Any, NamedTuple


class Sentence(NamedTuple):
    """`name` is what a person or a device calls itself, and stands between the other two."""

    before: str
    name: str | None = None
    after: str = ""


def sentence(value: Any) -> Sentence | None:
    """What JSON has made of a sentence; None if it is none."""
    match value:
        case str():
            return Sentence(value)
        case [str(before), str() | None as name, str(after)]:
            return Sentence(before, name, after)
        case _:
            return None
