"""What the back-end API says of a session."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.service.moments import iso

if TYPE_CHECKING:
    from holdfast.record import Record
    from holdfast.session import Session


def described(session: Session) -> dict[str, Any] | None:
    """A session with its data, for who keeps the application; None for an empty one.

    `data` is None where it is sealed and no cookie came along, and otherwise the JSON that is stored,
    as it is. `version` and `rotation` are opaque.
    """
    record = session.record
    if record is None:
        return None
    plain = session.current
    return listed(record) | {"data": None if plain is None else msgspec.Raw(plain)}


def listed(record: Record) -> dict[str, Any]:
    """A session without its data."""
    authenticated = record.authenticated_at
    return {
        "id": record.id,
        "subject": record.subject,
        "claims": record.claims,
        "created_at": iso(record.created_at),
        "authenticated_at": None if authenticated is None else iso(authenticated),
        "last_seen_at": iso(record.seen_at),
        "acr": record.assurance.acr,
        "amr": list(record.assurance.amr),
        "policy": record.policy.name,
        "label": record.client.label,
        "user_agent": record.client.user_agent,
        "address": record.address,
        "version": f"{record.version:016x}",
        "rotation": sha256(record.secret_hash).hexdigest()[:16],
    }
