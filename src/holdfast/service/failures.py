"""The tables of failed sign-ins: how many in a row, and who has used up a quota of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.service import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.service.database import Database

_REMEMBERED = 400 * 24 * 3_600_000
"""Ms after which the failures of a name are forgotten; nobody guesses that slowly."""
_FORGET_AT_ONCE = 100

_COUNT = "SELECT count FROM @schema@.sign_in_failures WHERE key = ?"
_RESERVE = """
    INSERT INTO @schema@.sign_in_failures (key, count, last_at) VALUES (?, 1, ?)
    ON CONFLICT (key) DO UPDATE SET
        count = sign_in_failures.count + 1, last_at = excluded.last_at
    WHERE sign_in_failures.count < ?
    RETURNING count
"""
_RELEASE = "UPDATE @schema@.sign_in_failures SET count = count - 1 WHERE key = ? AND count > 0"
_RESET = "DELETE FROM @schema@.sign_in_failures WHERE key = ?"
_BLOCK = """
    INSERT INTO @schema@.sign_in_blocks (key, until) VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET until = excluded.until
    WHERE sign_in_blocks.until < excluded.until
"""
_FORGET = (
    """
    DELETE FROM @schema@.sign_in_failures WHERE key IN (
        SELECT key FROM @schema@.sign_in_failures WHERE last_at < ? LIMIT ?
    )
    """,
    """
    DELETE FROM @schema@.sign_in_blocks WHERE key IN (
        SELECT key FROM @schema@.sign_in_blocks WHERE until < ? LIMIT ?
    )
    """,
)


class Failures:
    """Keys are hashes of names and addresses; times are Unix ms."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.migrate(schema.SIGN_INS)

    async def reserve(self, key: bytes, *, most: int, now: int) -> int | None:
        """Count a failure in advance, so that parallel tries are never more than `most`.

        The count with this one; None if there are `most` already, which changes nothing.
        """
        known = await self._database.aread(_COUNT, key)
        if known and known[0][0] >= most:
            return None
        counted = await self._database.awrite(_RESERVE, key, now, most)
        return counted[0][0] if counted else None

    async def release(self, key: bytes) -> None:
        """Take one reservation back: it was no failure."""
        await self._database.awrite(_RELEASE, key)

    async def reset(self, key: bytes) -> None:
        """Begin to count anew, after a success."""
        await self._database.awrite(_RESET, key)

    def reset_now(self, key: bytes) -> None:
        """`reset`, for the command line; waits for the disk."""
        self._database.write(_RESET, key)

    async def block(self, key: bytes, *, until: int, now: int) -> None:
        """Refuse this key until then, and forget a few entries that are long over."""
        await self._database.awrite(_BLOCK, key, until)
        for sql, before in zip(_FORGET, (now - _REMEMBERED, now), strict=True):
            await self._database.awrite(sql, before, _FORGET_AT_ONCE)

    async def blocked_until(self, keys: Sequence[bytes], *, now: int) -> int | None:
        """Until when the longest block of these keys lasts; None if there is none."""
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT max(until) FROM @schema@.sign_in_blocks WHERE key IN ({marks}) AND until > ?"  # noqa: S608 - question marks
        rows = await self._database.aread(sql, *keys, now)
        until: int | None = rows[0][0]
        return until
