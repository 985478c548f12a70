"""Audit events: what happened, to whom, when and from where, as frozen data (R154-R167).

Names are OWASP's logging vocabulary. A session appears as a keyed hash, so that lines can be
correlated while nothing in a log is a credential (R158, P58).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class EventName(StrEnum):
    """Stable names; a consumer may match on them."""

    SESSION_CREATED = "session_created"
    SESSION_RENEWED = "session_renewed"
    SESSION_EXPIRED = "session_expired"
    SESSION_LOGOUT = "session_logout"
    SESSION_USE_AFTER_EXPIRE = "session_use_after_expire"
    AUTHN_LOGIN_SUCCESS = "authn_login_success"
    AUTHN_LOGIN_FAIL = "authn_login_fail"
    AUTHN_LOGIN_FAIL_MAX = "authn_login_fail_max"
    AUTHN_LOGIN_LOCK = "authn_login_lock"
    AUTHN_TOKEN_CREATED = "authn_token_created"
    AUTHN_TOKEN_REVOKED = "authn_token_revoked"
    AUTHN_TOKEN_REUSE = "authn_token_reuse"
    AUTHN_TOKEN_DELETE = "authn_token_delete"
    AUTHN_PASSWORD_CHANGE = "authn_password_change"
    AUTHN_IMPOSSIBLE_TRAVEL = "authn_impossible_travel"
    AUTHZ_FAIL = "authz_fail"
    AUTHZ_CHANGE = "authz_change"
    AUTHZ_ADMIN = "authz_admin"
    EXCESS_SESSIONS_EXCEEDED = "excess_sessions_exceeded"
    EXCESS_RATE_LIMIT_EXCEEDED = "excess_rate_limit_exceeded"


class Severity(StrEnum):
    """How loud an event is; CRITICAL asks for a person."""

    INFO = "INFO"
    WARN = "WARN"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One audit event. `at` is Unix ms; `session` a keyed hash; `reason` a stable word or None.

    `detail` holds a few more words or numbers, never a token, secret, password or session data.
    """

    name: EventName
    at: int
    severity: Severity = Severity.INFO
    subject: str | None = None
    session: str | None = None
    reason: str | None = None
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    detail: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
