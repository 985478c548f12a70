"""Pickles read as plain data, for `holdfast convert-sessions` and nobody else (P39).

A pickle is a program for a small machine, and may call whatever Python can import. Here its
instructions are looked through before any is carried out: those that make or change objects of a
class are refused. Whatever class is named then gets a stand-in that is a mere container, or is refused. What
comes out is copied into JSON's own types, with a bound on how much that may be.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, Self, cast

from holdfast.errors import NotSerializable
from holdfast.rules import data

LARGEST = 1024 * 1024
"""Bytes of a pickle."""
MOST_VALUES = 100_000
"""Values in one session: a pickle can name one list a billion times over."""

_DEEPEST = 64
_PLAIN = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "MEMOIZE", "PUT", "BINPUT",
    "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM",
    "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET", "GLOBAL", "STACK_GLOBAL", "REDUCE",
    "NEWOBJ",
})  # fmt: skip
_NOTES = {"PUT", "BINPUT", "LONG_BINPUT"}
"""Those whose argument is a place in the machine's memory, which it makes large enough."""


class Refused(Exception):
    """It holds what must not, or cannot, become JSON; the text shows no value."""


class _Text(str):
    """What a text that is marked as safe HTML becomes."""

    __slots__ = ()

    def __new__(cls, text: object = "") -> Self:
        if not isinstance(text, str):
            raise Refused("an object")
        return super().__new__(cls, text)


class _Mapping(dict[Any, Any]):
    """What a dictionary that keeps an order becomes; made empty, and filled like any other."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()


_STAND_INS = {
    ("collections", "OrderedDict"): _Mapping,
    ("markupsafe", "Markup"): _Text,
    ("django.utils.safestring", "SafeString"): _Text,
    ("django.utils.safestring", "SafeText"): _Text,
}


class _Machine(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """A stand-in; nothing is ever imported."""
        found = _STAND_INS.get((module, name))
        if found is None:
            raise Refused(f"an object of {module}.{name}")
        return found


def restore(raw: bytes) -> dict[str, Any]:
    """The mapping in a pickle, in JSON's own types; tuples become lists.

    Raises:
        Refused: it is no pickle, or of anything else.
    """
    if len(raw) > LARGEST:
        raise Refused(f"more than {LARGEST} bytes")
    try:
        _look_through(raw)
        found = _Machine(io.BytesIO(raw)).load()
    except Refused:
        raise
    except Exception:  # noqa: BLE001 - what a broken program can raise has no common name
        raise Refused("no pickle") from None
    if not isinstance(found, dict):
        raise Refused("no mapping")
    return _as_json(cast("dict[object, object]", found))


def _look_through(raw: bytes) -> None:
    for instruction, argument, _ in pickletools.genops(raw):
        if instruction.name not in _PLAIN:
            raise Refused("an object")
        if instruction.name in _NOTES and int(argument or 0) > len(raw):
            raise Refused("no pickle")


def _as_json(found: dict[object, object]) -> dict[str, Any]:
    made: dict[str, Any] = _Copier().copied(found, _DEEPEST)
    try:
        data.require_json(made)
    except NotSerializable:
        raise Refused("a number or text that JSON cannot hold") from None
    return made


class _Copier:
    """Copies values, and counts them."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def copied(self, value: Any, depth: int) -> Any:
        """The value without any class but JSON's own."""
        self._left -= 1
        if depth == 0 or self._left < 0:
            raise Refused("too many values")
        if isinstance(value, dict):
            items = cast("dict[object, object]", value).items()
            return {self._key(key): self.copied(each, depth - 1) for key, each in items}
        if isinstance(value, list | tuple):
            return [self.copied(each, depth - 1) for each in cast("list[object]", value)]
        if isinstance(value, str):
            return str.__str__(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        raise Refused(f"a value of type {type(value).__name__}")

    def _key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise Refused(f"a key of type {type(key).__name__}")
        return str.__str__(key)
