"""What the settings share: durations in milliseconds, and how a wrong value is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import NoReturn

from holdfast.errors import ConfigurationError


def refuse(field_name: str, problem: str, valid: str) -> NoReturn:
    """Name the field, what is wrong with it, and a valid value."""
    raise ConfigurationError(f"{field_name}: {problem}; for example {valid}")


def ms(duration: timedelta) -> int:
    """A duration in integer milliseconds (P21)."""
    return duration // timedelta(milliseconds=1)
