"""Session data: a JSON object, and what a request changed in it, by top-level key.

Changes are found by comparing encoded values with the bytes that were read, so a nested mutation
counts, and a request that changed nothing writes nothing (P2). On a lost race the journal is
replayed on the fresh data: an edit goes through if its key is still what this request had loaded,
or already what this request wants; `change(fn)` simply runs again (P3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from sys import float_info
from typing import Any, cast

import msgspec

from holdfast.errors import Conflict, NotSerializable, TooLarge

Data = dict[str, Any]
Change = Callable[[Data], object]

EMPTY = b"{}"
_INT_BOUND = 2**63
_MAX_DEPTH = 64
_SHOWN = 60


def _within_range(text: str) -> float:
    """A number beyond all ranges, which only damage can have written, as the largest there is."""
    return min(max(float(text), -float_info.max), float_info.max)


_decode = msgspec.json.Decoder(dict[str, Any], float_hook=_within_range).decode
_skim = msgspec.json.Decoder(msgspec.Raw).decode
_fragments = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _plain(value: object) -> str | float:
    """A text or number without the class that a template or an enum gave it."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


class Edit(msgspec.Struct, frozen=True):
    """Top-level keys that were set, as encoded values, and those that were removed."""

    sets: dict[str, bytes]
    drops: frozenset[str]


def decode(raw: bytes) -> Data:
    """The object in `raw`."""
    return _decode(raw)


def encode(data: Mapping[str, Any]) -> bytes:
    """The object as compact JSON.

    Raises:
        NotSerializable: a value, named by its place, is not JSON.
    """
    try:
        return _encode(data)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        require_json(data)  # says where; the encoder's own text could hold a value
        raise NotSerializable("session data cannot be encoded as JSON") from None


def well_formed(raw: bytes) -> bool:
    """Whether `raw` is a JSON object that `decode` can read; cheap, without decoding it."""
    try:
        _skim(raw)
        return raw[:1] == b"{" and (raw.isascii() or bool(raw.decode()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def canonical(raw: bytes) -> bytes:
    """The same object as our encoder writes it, whoever wrote it."""
    return _encode(_decode(raw))


def fragments(raw: bytes) -> dict[str, bytes]:
    """Each top-level key with its encoded value."""
    return {key: bytes(value) for key, value in _fragments(raw).items()}


def difference(before: bytes, after: bytes) -> Edit:
    """What turns one object into the other."""
    old, new = _fragments(before), _fragments(after)
    sets = {key: bytes(value) for key, value in new.items() if old.get(key) != value}
    return Edit(sets, frozenset(old.keys() - new.keys()))


def replay(
    loaded: bytes, fresh: bytes, journal: Sequence[Edit | Change], *, last_wins: bool = False
) -> bytes:
    """The fresh object with the journal of a request that had loaded `loaded` carried out on it.

    Raises:
        Conflict: a key that this request edited was changed by another, and `last_wins` is False.
    """
    before, stored = fragments(loaded), fragments(canonical(fresh))
    data = _decode(fresh)
    for entry in journal:
        if isinstance(entry, Edit):
            if not last_wins:
                _require_unchanged(entry, before, stored)
            data.update({key: msgspec.json.decode(value) for key, value in entry.sets.items()})
            for key in entry.drops:
                data.pop(key, None)
        else:
            entry(data)
    return encode(data)


def _require_unchanged(edit: Edit, before: dict[str, bytes], stored: dict[str, bytes]) -> None:
    for key in (*edit.sets, *edit.drops):
        now = stored.get(key)
        if now != before.get(key) and now != edit.sets.get(key):
            raise Conflict("another request changed the same key of this session")


def require_key(key: object, place: str = "session") -> None:
    """Check that a key is text: JSON has no others, and would turn 1 into "1".

    Raises:
        NotSerializable: it is not.
    """
    if not isinstance(key, str):
        raise NotSerializable(f"{place} has a key of type {type(key).__name__}; keys are str")


def require_edit(edit: Edit, data: Data) -> None:
    """Check that everything which was set will come back from the store as it was put in.

    Raises:
        NotSerializable: names the place and type of what would not.
    """
    for key in data:
        if type(key) is not str:
            require_key(key)
    for key in edit.sets:
        if not _is_scalar(data[key]):
            require_json(data[key], f"session[{key!r}]")


def require_fit(raw: bytes, limit: int) -> None:
    """Check that data as JSON have at most `limit` bytes.

    Raises:
        TooLarge: they have more.
    """
    if len(raw) > limit:
        raise TooLarge(
            f"session data has {len(raw)} bytes; the limit is {limit} (Settings.data_limit)"
        )


def require_json(value: object, place: str = "session") -> None:
    """Check that what comes back from the store will be what was put in.

    Raises:
        NotSerializable: names the place and the type of the first value that is not plain JSON.
    """
    _require_json(value, place, _MAX_DEPTH)


def _require_json(value: object, place: str, depth: int) -> None:
    if depth == 0:
        raise NotSerializable(
            f"{place[:_SHOWN]}… is nested more than {_MAX_DEPTH} deep, or contains itself"
        )
    if isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            require_key(key, place)
            _require_json(item, f"{place}[{key!r}]", depth - 1)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(cast("Sequence[object]", value)):
            _require_json(item, f"{place}[{index}]", depth - 1)
    elif not _is_scalar(value):
        kind = f"of type {type(value).__name__}"
        kind = "an integer of more than 64 bits" if isinstance(value, int) else kind
        raise NotSerializable(
            f"{place} is {kind}, and JSON cannot hold it; store plain JSON values"
        )


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, int):
        return -_INT_BOUND <= value < _INT_BOUND
    return value is None
