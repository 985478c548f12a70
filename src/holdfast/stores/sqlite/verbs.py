"""The verbs of a store in SQL, for the blocking and the async store alike.

A writing verb is a function that encodes what it was given at once and returns the operation for
the writer. Records of an older epoch are there until the next purge, and gone for every verb.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.protocols import Admitted, Page, Reading, Refused
from holdfast.record import decode, encode
from holdfast.rules import quota
from holdfast.stores.sqlite import sql
from holdfast.stores.sqlite.errors import Overtaken

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from holdfast.protocols import Cap, Replacing, Take, Taken
    from holdfast.record import Record


def reading(row: tuple[bytes, int, int, str | None] | None) -> Reading:
    """What the row of `GET` says."""
    if row is None:
        return Reading(None)
    record = decode(*row)
    return Reading(record, corrupt=record is None)


def may_spend(record: Record | None, take: Take | None) -> bool:
    """Whether a quota is to be spent for this record (R148)."""
    if record is None or take is None:
        return False
    return take.proof is None or hmac.compare_digest(take.proof, record.secret_hash)


def page(rows: Sequence[tuple[bytes, int, int, str | None, str]], limit: int) -> Page:
    """The page from the rows of `PAGE` or `PAGE_OF`, which were asked for one more than `limit`."""
    records = [decode(*row[:4]) for row in rows[:limit]]
    after = rows[limit - 1][4] if len(rows) > limit else None
    return Page(tuple(record for record in records if record is not None), after)


def insert(
    record: Record, now: int, cap: Cap | None, replacing: Replacing | None
) -> Callable[[sqlite3.Connection], Admitted | Refused]:
    """Add a record, in one step with the end of the replaced and the evicted ones."""
    values = (
        record.id,
        record.subject,
        _signed(record.version),
        record.created_at,
        record.seen_at,
        record.expires_at,
        record.address,
        encode(record),
    )

    def op(conn: sqlite3.Connection) -> Admitted | Refused:
        if conn.execute(sql.EXISTS, (record.id,)).fetchone():
            return Refused("exists")
        if replacing is not None and _changed(conn, replacing):
            return Refused("changed")
        gone = replacing.id if replacing else None
        evicted = _over(conn, record.subject, cap, now, gone)
        if evicted is None:
            return Refused("cap")
        conn.executemany(sql.DELETE, [(each,) for each in (*evicted, gone)])
        conn.execute(sql.INSERT, values)
        return Admitted(evicted)

    return op


def update(values: tuple[Any, ...]) -> Callable[[sqlite3.Connection], bool]:
    """Replace a record if it still has the expected version; `values` from `replacement`."""
    return partial(_hit, sql.UPDATE, values)


def replacement(record: Record, expected: int) -> tuple[Any, ...]:
    """The values of `UPDATE` and `UPDATE_IN_PLACE` for a record of the version `expected`."""
    seen_at = record.seen_at
    return (
        _signed(record.version),
        encode(record),
        record.created_at,
        seen_at,
        record.address,
        seen_at,
        record.subject,
        record.expires_at,
        record.id,
        _signed(expected),
    )


def touch(
    id: str, seen_at: int, expires_at: int, address: str | None
) -> Callable[[sqlite3.Connection], bool]:
    """Note activity."""
    values = {"id": id, "seen_at": seen_at, "expires_at": expires_at, "address": address}
    return partial(_hit, sql.TOUCH, values)


def delete(id: str, expected: int | None) -> Callable[[sqlite3.Connection], bool]:
    """Remove a record (if it still has the version `expected`)."""
    if expected is None:
        return partial(_hit, sql.DELETE, (id,))
    return partial(_hit, sql.DELETE_VERSION, (id, _signed(expected)))


def delete_all(subject: str, keep: str | None) -> Callable[[sqlite3.Connection], tuple[str, ...]]:
    """Remove all records of a subject but `keep`."""

    def op(conn: sqlite3.Connection) -> tuple[str, ...]:
        ids = conn.execute(sql.IDS_OF, (subject, keep)).fetchall()
        conn.executemany(sql.DELETE, ids)
        return tuple(row[0] for row in ids)

    return op


def purge(now: int, limit: int) -> Callable[[sqlite3.Connection], int]:
    """Remove at most `limit` ended records, records of older epochs and quotas."""

    def op(conn: sqlite3.Connection) -> int:
        went = 0
        for statement in sql.PURGES:
            went += conn.execute(statement, {"now": now, "limit": limit - went}).rowcount
        return went

    return op


def bump_epoch(conn: sqlite3.Connection) -> int:
    """End every session there is; the new epoch."""
    conn.execute(sql.BUMP)
    epoch: int = conn.execute(f"SELECT {sql.EPOCH}").fetchone()[0]
    return epoch


def take(take_: Take, now: int) -> Callable[[sqlite3.Connection], Taken]:
    """Spend one from a quota, in a transaction or by itself; see `_spent`."""
    name = quota.name(take_.key, take_.period)

    def op(conn: sqlite3.Connection) -> Taken:
        row = conn.execute(sql.QUOTA, (name,)).fetchone()
        return _spent(conn, name, row[0] if row else None, take_, now)

    return op


def get_and_take(id: str, take_: Take, now: int) -> Callable[[sqlite3.Connection], Reading]:
    """Read a record and spend one from its quota, in a transaction or by itself; see `_spent`."""
    name = quota.name(take_.key, take_.period)

    def op(conn: sqlite3.Connection) -> Reading:
        row = conn.execute(sql.GET_AND_QUOTA, (name, id)).fetchone()
        found = reading(row and row[:4])
        if not may_spend(found.record, take_):
            return found
        return Reading(found.record, _spent(conn, name, row[4], take_, now))

    return op


def _spent(conn: sqlite3.Connection, name: str, old: bytes | None, take_: Take, now: int) -> Taken:
    """Spend one from the quota that was read as `old`.

    Raises:
        Overtaken: outside a transaction another process has changed it since; it must be read again.
    """
    period = take_.period
    state, taken = quota.take(old, limit=take_.limit, period=period, now=now)
    if state is None or state is old:
        return taken
    end = quota.ends_at(state, period)
    if old is None:
        done = conn.execute(sql.SPEND_FIRST, (state, end, name))
    elif end == quota.ends_at(old, period):
        done = conn.execute(sql.SPEND_IN_PLACE, (state, name, old))
    else:
        done = conn.execute(sql.SPEND, (state, end, name, old))
    if done.rowcount != 1:
        raise Overtaken
    return taken


def _hit(
    statement: str, values: dict[str, Any] | tuple[Any, ...], conn: sqlite3.Connection
) -> bool:
    return conn.execute(statement, values).rowcount == 1


def _changed(conn: sqlite3.Connection, replacing: Replacing) -> bool:
    row = conn.execute(sql.VERSION, (replacing.id,)).fetchone()
    return row is not None and row[0] != _signed(replacing.version)


def _over(
    conn: sqlite3.Connection, subject: str | None, cap: Cap | None, now: int, gone: str | None
) -> tuple[str, ...] | None:
    """The ids that must go for one more of `subject`, oldest first; None: it may not come."""
    if cap is None or subject is None:
        return ()
    live = [row[0] for row in conn.execute(sql.LIVE, (subject, gone, now))]
    over = len(live) + 1 - cap.limit
    if over <= 0:
        return ()
    if cap.over == "reject" or cap.limit < 1:
        return None
    return tuple(live[:over])


def _signed(version: int) -> int:
    """The same 64 bits as SQLite's signed integer."""
    return version - 2**64 if version >= 2**63 else version
