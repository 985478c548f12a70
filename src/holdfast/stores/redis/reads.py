"""The command of every request: the one that reads a record, packed beforehand for all but the id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.rules.secret import new_id, tag_of
from holdfast.stores.redis import scripts
from holdfast.stores.redis.calls import Call
from holdfast.stores.redis.wire import pack

if TYPE_CHECKING:
    from holdfast.stores.redis.keys import Keys

_EXAMPLE = new_id(0, bytes(16))
_LENGTH = len(_EXAMPLE)


def call_of_get(keys: Keys, id: str) -> Call:
    """The call that reads a record."""
    return Call(tag_of(id), scripts.GET, (2, *keys.record(id)), safe=True)


class PackedGet:
    """Packs `call_of_get`, at a third of what packing each command from its parts costs."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        packed = pack((call_of_get(keys, _EXAMPLE).command(),)).decode()
        record, self._after_epoch = packed.rsplit(_EXAMPLE[:2], 1)
        before, self._before_epoch = record.split(_EXAMPLE[2:])
        self._before, self._between = before.rsplit(_EXAMPLE[:2], 1)

    def __call__(self, id: str) -> bytes:
        """The bytes of the command."""
        if len(id) != _LENGTH or not id.isascii():
            return pack((call_of_get(self._keys, id).command(),))
        tag = id[:2]
        return (
            f"{self._before}{tag}{self._between}{id[2:]}{self._before_epoch}{tag}{self._after_epoch}"
        ).encode()
