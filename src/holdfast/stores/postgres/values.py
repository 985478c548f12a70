"""Values on their way to and from the server, in PostgreSQL's binary formats.

Texts travel as UTF-8 bytes (`bytea`): so any text can be kept, with NUL bytes and in a database of
any encoding, and is compared as it is.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGresult

Value = bytes | None
Plain = str | int | bytes | None


class Kind(IntEnum):
    """The types of parameters and columns, by PostgreSQL's numbers."""

    UNKNOWN = 0
    BOOL = 16
    BYTES = 17
    INT = 20
    TEXT = 25
    MANY_BYTES = 1001
    MANY_INTS = 1016


_INT_MOST = 2**63 - 1


def int8(number: int) -> bytes:
    """A number; beyond 64 bits the nearest there is."""
    return max(-_INT_MOST - 1, min(number, _INT_MOST)).to_bytes(8, "big", signed=True)


def uint8(number: int) -> bytes:
    """An unsigned number of 64 bits, in the bits of a signed one."""
    return number.to_bytes(8, "big")


def boolean(flag: bool) -> bytes:  # noqa: FBT001 - it is the value
    """A truth value."""
    return b"\1" if flag else b"\0"


def text(value: str | None) -> Value:
    """A text, as its bytes."""
    return None if value is None else value.encode("utf-8", "surrogatepass")


def digest(value: str | None) -> Value:
    """What is kept of a text that is only looked up."""
    return None if value is None else sha256(value.encode("utf-8", "surrogatepass")).digest()


def array(kind: Kind, values: Sequence[Value]) -> bytes:
    """An array of one dimension, of values that are of this kind."""
    head = struct.pack("!iiIii", 1, None in values, kind, len(values), 1)
    parts = (
        struct.pack("!i", -1 if each is None else len(each)) + (each or b"") for each in values
    )
    return head + b"".join(parts)


def plain(value: Plain) -> tuple[Kind, Value]:
    """A value of Python as it travels; the server finds the type of a None itself."""
    if value is None:
        return Kind.UNKNOWN, None
    if isinstance(value, bytes):
        return Kind.BYTES, value
    if isinstance(value, str):
        return Kind.TEXT, value.encode()
    return Kind.INT, int8(value)


class Rows:
    """The rows of an answer."""

    __slots__ = ("_result", "count", "width")

    def __init__(self, result: PGresult) -> None:
        self._result = result
        self.count = result.ntuples
        self.width = result.nfields

    def all(self) -> list[tuple[Plain, ...]]:
        """Numbers, truth values and bytes as such, everything else as text."""
        kinds = [self._result.ftype(column) for column in range(self.width)]
        return [
            tuple(self._plain(row, column, kind) for column, kind in enumerate(kinds))
            for row in range(self.count)
        ]

    def raw(self, row: int, column: int) -> bytes | None:
        """The bytes of a value; None is NULL."""
        return self._result.get_value(row, column)

    def number(self, row: int, column: int) -> int:
        """A number."""
        return int.from_bytes(self._result.get_value(row, column) or b"", "big", signed=True)

    def flag(self, row: int, column: int) -> bool:
        """A truth value; NULL is False."""
        return self._result.get_value(row, column) == b"\1"

    def text(self, row: int, column: int) -> str | None:
        """A text that was sent as its bytes."""
        raw = self._result.get_value(row, column)
        return None if raw is None else raw.decode("utf-8", "surrogatepass")

    def _plain(self, row: int, column: int, kind: int) -> Plain:
        raw = self._result.get_value(row, column)
        if raw is None or kind == Kind.BYTES:
            return raw
        if kind == Kind.INT:
            return int.from_bytes(raw, "big", signed=True)
        return raw == b"\1" if kind == Kind.BOOL else raw.decode()
