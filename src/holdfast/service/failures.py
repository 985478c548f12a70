"""The tables of failed sign-ins: how many in a row, and who has used up a quota of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdfast.service import schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from holdfast.stores.sqlite.core import SqliteCore

_REMEMBERED = 400 * 24 * 3_600_000
"""Ms after which the failures of a name are forgotten; nobody guesses that slowly."""
_FORGET_AT_ONCE = 100

_COUNT = "SELECT count FROM sign_in_failures WHERE key = ?"
_RESERVE = """
    INSERT INTO sign_in_failures (key, count, last_at) VALUES (?1, 1, ?2)
    ON CONFLICT (key) DO UPDATE SET count = count + 1, last_at = ?2
    RETURNING count
"""
_RELEASE = "UPDATE sign_in_failures SET count = max(count - 1, 0) WHERE key = ?"
_RESET = "DELETE FROM sign_in_failures WHERE key = ?"
_BLOCK = """
    INSERT INTO sign_in_blocks (key, until) VALUES (?1, ?2)
    ON CONFLICT (key) DO UPDATE SET until = max(until, ?2)
"""
_FORGET = (
    """
    DELETE FROM sign_in_failures
    WHERE key IN (SELECT key FROM sign_in_failures WHERE last_at < ? LIMIT ?)
    """,
    """
    DELETE FROM sign_in_blocks
    WHERE key IN (SELECT key FROM sign_in_blocks WHERE until < ? LIMIT ?)
    """,
)


class Failures:
    """Keys are hashes of names and addresses; times are Unix ms."""

    def __init__(self, core: SqliteCore) -> None:
        self._core = core
        core.migrate("sign_ins", schema.SIGN_INS)

    async def reserve(self, key: bytes, *, most: int, now: int) -> int | None:
        """Count a failure in advance, so that parallel tries are never more than `most`.

        The count with this one; None if there are `most` already, which changes nothing.
        """
        row = self._core.read_one(_COUNT, (key,))
        if row is not None and row[0] >= most:
            return None
        return await self._core.awrite(partial(_reserve, key=key, most=most, now=now))

    async def release(self, key: bytes) -> None:
        """Take one reservation back: it was no failure."""
        await self._core.awrite(lambda conn: conn.execute(_RELEASE, (key,)).rowcount)

    async def reset(self, key: bytes) -> None:
        """Begin to count anew, after a success."""
        await self._core.awrite(lambda conn: conn.execute(_RESET, (key,)).rowcount)

    def reset_now(self, key: bytes) -> None:
        """`reset`, for the command line; waits for the disk."""
        self._core.write(lambda conn: conn.execute(_RESET, (key,)).rowcount, durable=True)

    async def block(self, key: bytes, *, until: int, now: int) -> None:
        """Refuse this key until then, and forget a few entries that are long over."""
        await self._core.awrite(partial(_block, key=key, until=until, now=now))

    def blocked_until(self, keys: Sequence[bytes], *, now: int) -> int | None:
        """Until when the longest block of these keys lasts; None if there is none."""
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT max(until) FROM sign_in_blocks WHERE key IN ({marks}) AND until > ?"  # noqa: S608 - question marks
        until: int | None = self._core.read_one(sql, (*keys, now))[0]
        return until


def _reserve(conn: sqlite3.Connection, *, key: bytes, most: int, now: int) -> int | None:
    row = conn.execute(_COUNT, (key,)).fetchone()
    if row is not None and row[0] >= most:
        return None
    count: int = conn.execute(_RESERVE, (key, now)).fetchone()[0]
    return count


def _block(conn: sqlite3.Connection, *, key: bytes, until: int, now: int) -> None:
    conn.execute(_BLOCK, (key, until))
    for sql, before in zip(_FORGET, (now - _REMEMBERED, now), strict=True):
        conn.execute(sql, (before, _FORGET_AT_ONCE))
