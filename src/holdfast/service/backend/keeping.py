"""What a client of the change stream must know of a reading that it keeps.

It may believe the reading while the stream is heard from the very node that answered, see
`holdfast.service.backend.changes`, and for no longer than the session lives and until activity is
to be noted again.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.protocols import Reading
    from holdfast.record import Record
    from holdfast.service.context import ServiceContext
    from holdfast.session import Session

Keep = dict[str, Any]
"""`node` and `for_ms`, as a client gets them."""

_DIGITS = 16


async def kept(context: ServiceContext, reading: Reading, *, cookie: bool) -> Keep | None:
    """`node` and `for_ms` of a reading of the store itself; None: it must not be kept."""
    record = reading.record
    if record is None or record.subject is None or context.assembly.changes is None:
        return None
    node = node_name(reading.node) if reading.node else await name_of_store(context)
    if node is None:
        return None
    return {"node": node, "for_ms": context.sessions.keep_for(record, cookie=cookie)}


async def kept_of(context: ServiceContext, session: Session) -> Keep | None:
    """The same for a session that a near cache may have answered."""
    if session.record is None:
        return None
    return await kept_unchanged(context, session.record, cookie=session.via == "cookie")


async def kept_unchanged(context: ServiceContext, record: Record, *, cookie: bool) -> Keep | None:
    """The same for a record that a near cache may have answered: the store is asked once more.

    Only what it still has unchanged may be kept.
    """
    reading = await context.sessions.look(record.id)
    if reading.record is None or reading.record.version != record.version:
        return None
    return await kept(context, reading, cookie=cookie)


async def name_of_store(context: ServiceContext) -> str | None:
    """The node of a store that has no server; None for one that has."""
    if context.assembly.wrapped is not None:
        return None
    return _name(await context.assembly.store.salt())  # it tells a store from every other


def node_name(node: str) -> str:
    """How clients know a server process."""
    return _name(node.encode())


def _name(text: bytes) -> str:
    return sha256(b"holdfast node " + text).hexdigest()[:_DIGITS]
