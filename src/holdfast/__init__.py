"""Holdfast: one record per session; every credential is a view of it, and dies with it."""

from holdfast.blocking import Sessions
from holdfast.engine import AsyncSessions, Refreshed, Tokens, Verified
from holdfast.errors import (
    CapReached,
    ConfigurationError,
    Conflict,
    DataError,
    HoldfastError,
    NotDurable,
    NotSerializable,
    Reason,
    RecordReadOnly,
    SessionClosed,
    SessionEnded,
    SessionSealed,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TooLarge,
    UsageError,
)
from holdfast.events import Event, EventName, Severity
from holdfast.protocols import ClientFacts
from holdfast.rules.keys import KeyRing
from holdfast.session import Session
from holdfast.settings import Cookie, Limits, Rate, Settings

__version__ = "0.1.0"

__all__ = [
    "AsyncSessions",
    "CapReached",
    "ClientFacts",
    "ConfigurationError",
    "Conflict",
    "Cookie",
    "DataError",
    "Event",
    "EventName",
    "HoldfastError",
    "KeyRing",
    "Limits",
    "NotDurable",
    "NotSerializable",
    "Rate",
    "Reason",
    "RecordReadOnly",
    "Refreshed",
    "Session",
    "SessionClosed",
    "SessionEnded",
    "SessionSealed",
    "Sessions",
    "Settings",
    "Severity",
    "StoreCorrupt",
    "StoreError",
    "StoreUnavailable",
    "Tokens",
    "TooLarge",
    "UsageError",
    "Verified",
]
