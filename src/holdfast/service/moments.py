"""Times as people and machines read them. All arguments are Unix milliseconds, all texts UTC."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_UNITS = ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"))
_NOW = 2 * _MINUTE  # a touch may come that late
_RECENT = 14 * _DAY


def iso(moment: int) -> str:
    """For machines (RFC 3339), to the second: "2026-11-22T22:06:00Z"."""
    return f"{_utc(moment):%Y-%m-%dT%H:%M:%SZ}"


def exact(moment: int) -> str:
    """To the minute: "22 Nov 2026, 22:06"."""
    at = _utc(moment)
    return f"{at.day} {at:%b %Y, %H:%M}"


def ago(moment: int, now: int) -> str:
    """How long ago: "3 hours ago"; the date after two weeks; at first "just now"."""
    seconds = (now - moment) // 1000
    if seconds < _NOW:
        return "just now"
    return f"{_span(seconds)} ago" if seconds < _RECENT else exact(moment)


def wait(seconds: int) -> str:
    """How long to wait, rounded up: "1 minute", "3 hours"."""
    size = next((size for size, _ in _UNITS if seconds > size), _MINUTE)
    return _span(-(-seconds // size) * size or size)


def _span(seconds: int) -> str:
    size, name = next(unit for unit in _UNITS if seconds >= unit[0])
    count = seconds // size
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _utc(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC)
