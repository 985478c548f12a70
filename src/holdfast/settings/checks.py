"""What the settings share: durations in milliseconds, and how a wrong value is refused."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any, NoReturn

from holdfast.errors import ConfigurationError


def refuse(field_name: str, problem: str, valid: str) -> NoReturn:
    """Name the field, what is wrong with it, and a valid value."""
    raise ConfigurationError(f"{field_name}: {problem}; for example {valid}")


def require_durations(settings: Any, where: str = "") -> None:
    """Refuse a number or a text where the default of a field is a `timedelta`."""
    for each in fields(settings):
        if isinstance(each.default, timedelta):
            value = getattr(settings, each.name)
            if not isinstance(value, timedelta | None):
                refuse(f"{where}{each.name}", "must be a timedelta", "timedelta(minutes=30)")


def ms(duration: timedelta) -> int:
    """A duration in integer milliseconds (P21)."""
    return duration // timedelta(milliseconds=1)
