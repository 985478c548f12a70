"""Holdfast: one record per session; every credential is a view of it, and dies with it.

A name is imported when it is first asked for: who wants one of them does not wait for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    "SignedIn",
    "StoreCorrupt",
    "StoreError",
    "StoreUnavailable",
    "Tokens",
    "TooLarge",
    "UsageError",
    "Verified",
]

if TYPE_CHECKING:
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
    from holdfast.signed_in import SignedIn
else:
    from holdfast.later import names_of

    __getattr__ = names_of(
        __name__,
        {
            "holdfast.blocking": ("Sessions",),
            "holdfast.engine": ("AsyncSessions", "Refreshed", "Tokens", "Verified"),
            "holdfast.errors": (
                "CapReached",
                "ConfigurationError",
                "Conflict",
                "DataError",
                "HoldfastError",
                "NotDurable",
                "NotSerializable",
                "Reason",
                "RecordReadOnly",
                "SessionClosed",
                "SessionEnded",
                "SessionSealed",
                "StoreCorrupt",
                "StoreError",
                "StoreUnavailable",
                "TooLarge",
                "UsageError",
            ),
            "holdfast.events": ("Event", "EventName", "Severity"),
            "holdfast.protocols": ("ClientFacts",),
            "holdfast.rules.keys": ("KeyRing",),
            "holdfast.session": ("Session",),
            "holdfast.settings": ("Cookie", "Limits", "Rate", "Settings"),
            "holdfast.signed_in": ("SignedIn",),
        },
        dict.fromkeys(
            ("Holdfast", "require", "require_fresh", "require_role", "csrf_token"),
            "these are made for each framework: from holdfast.web.fastapi import Holdfast,"
            " or from holdfast.web.flask; Starlette and others have holdfast.web.asgi,"
            " Django holdfast.web.django",
        ),
    )
