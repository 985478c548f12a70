"""Where audit events go: the `holdfast.audit` logger, or JSON lines on a stream.

Either way an event is one line of JSON, in which no value can begin a second line or close the
first (R159). Times are UTC with an explicit offset (R157).
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from holdfast.events import Severity

if TYPE_CHECKING:
    from holdfast.events import Event
    from holdfast.protocols import Sink

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARN: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}


def as_dict(event: Event) -> dict[str, Any]:
    """An event as JSON values; what is not known is left out."""
    at = (_EPOCH + timedelta(milliseconds=event.at)).isoformat(timespec="milliseconds")
    fields: dict[str, Any] = {
        "event": event.name.value,
        "at": at,
        "severity": event.severity.value,
        "subject": event.subject,
        "session": event.session,
        "reason": event.reason,
        "address": event.address,
        "user_agent": event.user_agent,
        "request_id": event.request_id,
        "detail": dict(event.detail) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def line(event: Event) -> str:
    """One line of JSON in printable ASCII, without its newline."""
    return json.dumps(as_dict(event), ensure_ascii=True, separators=(",", ":"))


def to_logging(name: str = "holdfast.audit") -> Sink:
    """A sink that logs each event at the level of its severity; the library's default."""
    logger = logging.getLogger(name)

    def sink(event: Event) -> None:
        level = _LEVELS[event.severity]
        if logger.isEnabledFor(level):
            logger.log(level, "%s", line(event))

    return sink


def json_lines(stream: IO[str]) -> Sink:
    """A sink that writes one line per event to a stream; the service's default, on stdout."""

    def sink(event: Event) -> None:
        stream.write(line(event) + "\n")
        stream.flush()

    return sink
