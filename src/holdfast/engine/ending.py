"""Ending one session: the record goes, durably, and with it every credential (P12, P18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.events import EventName

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.protocols import ClientFacts


async def end(
    core: Core,
    id: str,
    client: ClientFacts,
    *,
    subject: str | None = None,
    reason: str | None = None,
) -> bool:
    """Delete a record; False: it was gone, which is durable too when this returns.

    Raises:
        NotDurable: it is gone, without proof; to do it again is safe and proves again (P13).
    """
    with core.auditor.unproved(
        EventName.SESSION_LOGOUT, client, id=id, subject=subject, reason=reason
    ) as emit:
        gone = await core.store.delete(id, durable=True)
    if gone:
        emit()
    return gone
