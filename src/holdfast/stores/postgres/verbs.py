"""The verbs of a store as calls of the database's functions; see `sessions_1.sql`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from holdfast.errors import UsageError
from holdfast.protocols import Admitted, Page, Reading, Refused, Taken
from holdfast.record import decode, encode
from holdfast.rules import quota
from holdfast.stores.postgres.calls import Call, Function
from holdfast.stores.postgres.values import Kind, array, boolean, digest, int8, text, uint8

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from holdfast.protocols import Cap, Replacing, Take
    from holdfast.record import Record
    from holdfast.stores.postgres.values import Rows, Value

_BOOL, _BYTES, _INT = Kind.BOOL, Kind.BYTES, Kind.INT
_RECORD = (_BYTES, _BYTES, _INT, _INT, _INT, _INT, _BYTES, _BYTES, _BYTES)

_SPENT = 5
"""The column of `get_take_1` in which the answer of the quota begins."""

_SALT = Function("salt_1")
_GET = Function("get_1", (_BYTES,))
_GET_TAKE = Function("get_take_1", (_BYTES, _BYTES, _INT, _INT, _BYTES))
_INSERT = Function("insert_1", (*_RECORD, _INT, _BOOL, _BYTES, _INT))
_UPDATE = Function("update_1", (*_RECORD, _INT, _BOOL))
TOUCH = Function("touch_1", (_BYTES, _INT, _INT, _BYTES))
_TOUCH_ALL = Function(
    "touch_1", (Kind.MANY_BYTES, Kind.MANY_INTS, Kind.MANY_INTS, Kind.MANY_BYTES), many=True
)
_DELETE = Function("delete_1", (_BYTES, _INT, _BOOL))
_DELETE_ALL = Function("delete_all_1", (_BYTES, _BYTES))
_PAGE = Function("page_1", (_BYTES, _INT))
_PAGE_OF = Function("page_of_1", (_BYTES, _BYTES, _INT))
_PURGE = Function("purge_1", (_INT,))
_BUMP = Function("bump_epoch_1")
_RAISE = Function("raise_epoch_1", (_INT,))
_TAKE = Function("take_1", (_BYTES, _INT, _INT))
_REFUND = Function("refund_1", (_BYTES,))


def salt() -> Call[bytes]:
    """The salt of the store."""
    return Call(_SALT, (), _bytes, safe=True)


def get(id: str, take: Take | None) -> Call[Reading]:
    """The record, and what was spent on the way."""
    if take is None:
        return Call(_GET, (text(id),), _reading, safe=True)
    spent = _quota(take.key, take.limit, take.period)
    return Call(_GET_TAKE, (text(id), *spent, take.proof), _reading)


def insert(
    record: Record, cap: Cap | None, replacing: Replacing | None
) -> Call[Admitted | Refused]:
    """Add a record, in one step with the end of the replaced and the evicted ones."""
    values: tuple[Value, ...] = (
        *_values(record),
        int8(cap.limit) if cap else None,
        boolean(cap is not None and cap.over == "reject"),
        text(replacing.id) if replacing else None,
        uint8(replacing.version) if replacing else None,
    )
    return Call(_INSERT, values, _admission, duplicate=Refused("exists"))


def update(record: Record, expected: int, *, durable: bool) -> Call[bool]:
    """Replace a record if it still has the version `expected`."""
    values = (*_values(record), uint8(expected), boolean(durable))
    return Call(_UPDATE, values, _flag, durable=durable)


def touch(id: str, seen_at: int, expires_at: int, address: str | None) -> Call[bool]:
    """Note activity."""
    return Call(TOUCH, (text(id), int8(seen_at), int8(expires_at), text(address)), _flag)


def touch_all(calls: Sequence[Call[bool]]) -> Call[list[bool]]:
    """Many such calls in one."""
    columns = zip(*(call.values for call in calls), strict=True)
    values = [array(kind, each) for kind, each in zip(TOUCH.kinds, columns, strict=True)]
    return Call(_TOUCH_ALL, tuple(values), _flags)


def delete(id: str, expected: int | None, *, durable: bool) -> Call[bool]:
    """Remove a record (if it still has the version `expected`)."""
    version = None if expected is None else uint8(expected)
    values = (text(id), version, boolean(durable))
    return Call(_DELETE, values, _flag, durable=durable, conditional=expected is not None)


def delete_all(subject: str, keep: str | None) -> Call[tuple[str, ...]]:
    """Remove all records of a subject but `keep`."""
    return Call(_DELETE_ALL, (digest(subject), text(keep)), _ids, durable=True)


def page(subject: str | None, after: str | None, limit: int) -> Call[Page]:
    """Some records of one subject, or of everybody."""
    limit = max(limit, 1)  # a page of nothing would never come to an end
    where = text(after or ""), int8(limit + 1)
    if subject is None:
        return Call(_PAGE, where, partial(_page, limit), safe=True)
    return Call(_PAGE_OF, (digest(subject), *where), partial(_page, limit), safe=True)


def purge(limit: int) -> Call[tuple[int, bool]]:
    """Remove a batch of what has ended; how many went, and whether there may be more."""
    return Call(_PURGE, (int8(limit),), _purged)


def bump_epoch() -> Call[int]:
    """End every session there is; the new epoch."""
    return Call(_BUMP, (), _number, durable=True)


def raise_epoch(epoch: int) -> Call[bool]:
    """Make the epoch at least this; whether it was lower."""
    return Call(_RAISE, (int8(epoch),), _flag, durable=True)


def take(key: str, limit: int, period: int) -> Call[Taken]:
    """Spend one from a quota."""
    return Call(_TAKE, _quota(key, limit, period), partial(_taken, 0))


def refund(take: Take) -> Call[bool]:
    """Give back what was spent a moment ago."""
    return Call(_REFUND, (digest(quota.name(take.key, take.period)),), _flag)


def _values(record: Record) -> tuple[Value, ...]:
    return (
        text(record.id),
        digest(record.subject),
        uint8(record.version),
        int8(record.created_at),
        int8(record.seen_at),
        int8(record.expires_at),
        record.secret_hash,
        text(record.address),
        encode(record),
    )


def _quota(key: str, limit: int, period: int) -> tuple[Value, ...]:
    if period < 1:
        raise UsageError("the period of a quota must be at least 1 ms")
    return digest(quota.name(key, period)), int8(limit), int8(period)


def _bytes(rows: Rows) -> bytes:
    return rows.raw(0, 0) or b""


def _number(rows: Rows) -> int:
    return rows.number(0, 0)


def _purged(rows: Rows) -> tuple[int, bool]:
    return rows.number(0, 0), rows.flag(0, 1)


def _flag(rows: Rows) -> bool:
    return rows.flag(0, 0)


def _flags(rows: Rows) -> list[bool]:
    return [rows.flag(row, 0) for row in range(rows.count)]


def _ids(rows: Rows) -> tuple[str, ...]:
    return tuple(rows.text(row, 0) or "" for row in range(rows.count))


def _reading(rows: Rows) -> Reading:
    record, node = _record(rows, 0), (rows.raw(0, 4) or b"").hex()
    corrupt = record is None and rows.raw(0, 0) is not None
    spent = rows.width > _SPENT and rows.raw(0, _SPENT) is not None
    return Reading(record, _taken(_SPENT, rows) if spent else None, corrupt, node)


def _record(rows: Rows, row: int) -> Record | None:
    """The record in the first four columns; None if there is none, or it is damaged."""
    body = rows.raw(row, 0)
    if body is None:
        return None
    return decode(body, rows.number(row, 1), rows.number(row, 2), rows.text(row, 3))


def _taken(column: int, rows: Rows) -> Taken:
    return Taken(rows.flag(0, column), rows.number(0, column + 1), rows.number(0, column + 2))


def _admission(rows: Rows) -> Admitted | Refused:
    reason = rows.text(0, 0) if rows.count else "evicted"
    if reason == "evicted":
        return Admitted(tuple(rows.text(row, 1) or "" for row in range(rows.count)))
    return Refused(cast("Literal['exists', 'cap', 'changed']", reason))


def _page(limit: int, rows: Rows) -> Page:
    shown = min(rows.count, limit)
    records = [_record(rows, row) for row in range(shown)]
    after = rows.text(limit - 1, 4) if rows.count > limit else None
    return Page(tuple(record for record in records if record is not None), after)
