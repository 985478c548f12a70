"""Step 6, authentication: the guards. Cookie and bearer pass the same guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain.reply import CHALLENGE, Refusal, error_reply
from holdfast.errors import UsageError
from holdfast.events import EventName, Severity
from holdfast.settings import ms

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.chain.request import Visit
    from holdfast.engine.audit import Auditor
    from holdfast.protocols import ClientFacts, Clock
    from holdfast.signed_in import SignedIn


def require(visit: Visit) -> SignedIn:
    """The session of somebody who is signed in.

    Raises:
        Refusal: 401; the reason stays inside (`Session.reason`), clients get one answer for all.
        UsageError: the path is excluded.
    """
    session = visit.require_session()
    if session.subject is not None:
        return session  # type: ignore[return-value]  # that is what makes it one
    name, challenge = CHALLENGE
    if visit.request.bearer is not None:
        challenge += ', error="invalid_token"'
    raise Refusal(error_reply(401, "unauthenticated", "Unauthorized", (name, challenge)))


def require_fresh(visit: Visit, max_age: timedelta, clock: Clock, auditor: Auditor) -> SignedIn:
    """The session of somebody who proved who they are at most `max_age` ago (R36, R44).

    Raises:
        Refusal: 401 `unauthenticated`, or 401 `reauthentication_required` with the challenge of
            RFC 9470 (R46).
    """
    session = require(visit)
    allowed = max(ms(max_age), 0)
    if clock() - (session.authenticated_at or 0) <= allowed:
        return session
    _note(auditor, visit.client, session, "not_fresh", Severity.INFO)
    challenge = f'Bearer error="insufficient_user_authentication", max_age="{allowed // 1000}"'
    header = ("WWW-Authenticate", challenge)
    raise Refusal(error_reply(401, "reauthentication_required", "Please sign in again", header))


def require_role(visit: Visit, role: str, auditor: Auditor) -> SignedIn:
    """The session of somebody whose claim `role` is this, or a list that holds it.

    Raises:
        Refusal: 401 `unauthenticated`, or 403 `forbidden`.
    """
    session = require(visit)
    held = session.claims.get("role")
    if role == held or (isinstance(held, list | tuple) and role in held):
        return session
    _note(auditor, visit.client, session, "role", Severity.WARN)
    raise Refusal(error_reply(403, "forbidden", "Forbidden"))


def _note(
    auditor: Auditor, client: ClientFacts, session: SignedIn, reason: str, severity: Severity
) -> None:
    id, subject, name = session.id, session.subject, EventName.AUTHZ_FAIL
    auditor.emit(name, client, id=id, subject=subject, reason=reason, severity=severity)


def require_argument(guard: str, given: object, kind: type, example: str) -> None:
    """Check what a guard is told to require, where it is written down and not at the first request.

    Raises:
        UsageError: it is of another kind, as when the call was forgotten.
    """
    if not isinstance(given, kind):
        raise UsageError(f"{guard}: say what is required; for example {example}")
