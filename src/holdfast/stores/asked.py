"""What every store asks of the values that it is given, before it does anything with them."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from holdfast.errors import ConfigurationError

_LEAST_S = 0.001
_MOST_S = 3600.0


def checked_timeout(seconds: float) -> float:
    """The time limit of a call, in seconds.

    Locks, sockets and databases each take another part of what a number can be for no limit, or fail
    at it in the middle of a request.

    Raises:
        ConfigurationError: it is no number from 1 ms to 1 hour.
    """
    given: Any = seconds
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not _LEAST_S <= seconds <= _MOST_S:
        raise ConfigurationError(
            "timeout: must be a number of seconds from 0.001 to 3600; for example 5.0"
        )
    return float(seconds)


def require_readable(url: str) -> None:
    """Accept a URL in which nothing is hidden.

    Raises:
        ConfigurationError: it has control characters, which some parsers drop and others end at, a
            zero byte behind an escape, or what is no text at all.
    """
    plain = url.isascii() or _is_text(url)
    if not plain or any(each < " " or each == "\x7f" for each in url) or "\0" in unquote(url):
        raise ConfigurationError(
            "store: a URL has no control characters, and no %00; for example sqlite:///sessions.db"
        )


def _is_text(url: str) -> bool:
    try:
        url.encode()
    except UnicodeEncodeError:
        return False
    return True
