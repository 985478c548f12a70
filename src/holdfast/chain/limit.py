"""Step 5, rate limit per session: the quota that rode on the reading of the session (R151, P59)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain.reply import Reply, error_reply, retry_after
from holdfast.events import EventName, Severity

if TYPE_CHECKING:
    from holdfast.chain.request import Visit
    from holdfast.engine.audit import Auditor
    from holdfast.protocols import Taken
    from holdfast.settings import Rate, Settings


def rate_of(settings: Settings, path: str) -> Rate | None:
    """The budget of unsafe requests to a path; None: it has no limit.

    Its own comes first, then that of the nearest path above it that has one, then the general one.
    """
    if not settings.rates:
        return settings.rate
    if path in settings.rates:
        return settings.rates[path]
    above = [each for each in settings.rates if each.endswith("/") and path.startswith(each)]
    return settings.rates[max(above, key=len)] if above else settings.rate


def refuse(auditor: Auditor, visit: Visit, taken: Taken | None) -> Reply | None:
    """429 with `Retry-After` when the quota is used up; None when it is not, or none was asked."""
    if taken is None or taken.allowed:
        return None
    session = visit.session
    auditor.emit(
        EventName.EXCESS_RATE_LIMIT_EXCEEDED,
        visit.client,
        id=session.id,
        subject=session.record.subject if session.record else None,
        severity=Severity.WARN,
    )
    header = retry_after(taken.retry_after)
    return error_reply(429, "rate_limited", "Too many requests", header)
