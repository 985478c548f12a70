"""Values as people write them in the environment: "15m", "yes", "100/15m", "a, b"."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from holdfast.settings import Rate

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)?")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class Reader(NamedTuple):
    """Turns a text into a value, or raises ValueError; `example` is a text that it takes."""

    read: Callable[[str], Any]
    example: str


def reader_for(hint: Any) -> Reader | None:
    """The reader of values of this type; None if it has no form in one text."""
    if hint in _READERS:
        return _READERS[hint]
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return Reader(partial(_one_of, options), str(options[0]))
    rest = [option for option in options if option is not NoneType]
    if NoneType in options and len(rest) == 1 and (inner := reader_for(rest[0])):
        return Reader(partial(_unless_none, inner.read), inner.example)
    return None


def duration(text: str) -> timedelta:
    """30s, 15m, 24h, 7d, 250ms; without a unit, seconds.

    Raises:
        ValueError: it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * _UNITS[match[2] or "s"]


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(text)
    return int(text)


def _yes_or_no(text: str) -> bool:
    word = text.lower()
    if word not in _YES | _NO:
        raise ValueError(text)
    return word in _YES


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _rate(text: str) -> Rate:
    limit, slash, period = text.partition("/")
    if not slash:
        raise ValueError(text)
    return Rate(limit=_whole(limit.strip()), period=duration(period.strip()))


def _one_of(options: tuple[Any, ...], text: str) -> Any:
    if text not in options:
        raise ValueError(text)
    return text


def _unless_none(read: Callable[[str], Any], text: str) -> Any:
    return None if text == "none" else read(text)


_READERS: dict[Any, Reader] = {
    str: Reader(str, "production"),
    int: Reader(_whole, "10"),
    bool: Reader(_yes_or_no, "yes"),
    timedelta: Reader(duration, "15m"),
    tuple[str, ...]: Reader(_several, "one, two"),
    Rate: Reader(_rate, "100/15m"),
}
