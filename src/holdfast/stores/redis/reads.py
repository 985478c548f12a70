"""The commands of every request, packed beforehand for all but what differs: reading, quota, change.

They cost a fifth of what packing each from its parts costs. The same calls as `Call` are for the rare
times when the first attempt is not the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.protocols import Take
from holdfast.rules.secret import tag_of
from holdfast.stores.redis import scripts
from holdfast.stores.redis.answers import written_number
from holdfast.stores.redis.calls import Call
from holdfast.stores.redis.wire import pack

if TYPE_CHECKING:
    from holdfast.stores.redis.keys import Keys

_LENGTH = 25
_TAG, _REST = "\1" * 2, "\2" * (_LENGTH - 2)
"""What stands for the two parts of an id: nothing else in a command looks like them."""
_VERSION, _PROOF, _VALUE = b"\3" * 8, b"\3" * 32, b"\3"
_KINDS_KEPT = 100

_Kind = tuple[str, int, int, bool]
"""A quota's name behind the id, its limit and period, and whether it is without a proof."""


def call_of_get(keys: Keys, id: str) -> Call:
    """The call that reads a record."""
    return Call(tag_of(id), scripts.GET, (2, *keys.record(id)), safe=True)


def call_of_epoch(keys: Keys, tag: str) -> Call:
    """The call that reads the epoch of a tag."""
    return Call(tag, None, ("GET", keys.epoch(tag)), safe=True, read=written_number)


def call_of_take(keys: Keys, id: str, name: bytes, take: Take) -> Call:
    """The call that reads a record and spends of the quota with this key, which lies beside it."""
    proof = () if take.proof is None else (take.proof,)
    arguments = (3, *keys.record(id), name, take.limit, take.period, *proof)
    return Call(tag_of(id), scripts.GET_AND_TAKE, arguments)


def call_of_update(
    keys: Keys, id: str, version: bytes, value: bytes, *, durable: bool = False
) -> Call:
    """The call that replaces a record."""
    arguments = (2, *keys.record(id), id[2:], version, value, int(durable))
    return Call(tag_of(id), scripts.UPDATE, arguments, durable=durable)


class PackedCalls:
    """The calls of every request to one store, in which `%b` stands for what differs."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._get = _template(call_of_get(keys, _TAG + _REST))
        update = _template(call_of_update(keys, _TAG + _REST, _VERSION, _VALUE))
        self._update = update.replace(b"$1\r\n" + _VALUE, b"$%d\r\n%b").replace(_VERSION, b"%b")
        self._takes: dict[_Kind, bytes] = {}

    def get(self, id: str) -> bytes:
        """A reading."""
        if len(id) != _LENGTH or not id.isascii():
            return _whole(call_of_get(self._keys, id))
        raw = id.encode()
        tag = raw[:2]
        return self._get % (tag, raw[2:], tag)

    def take(self, id: str, take: Take) -> bytes | None:
        """A reading with a quota of this very session; None if it is another, or not plainly."""
        key, proof = take.key, take.proof
        if len(id) != _LENGTH or not id.isascii() or not key.startswith(f"s/{id}/"):
            return None
        if proof is not None and len(proof) != len(_PROOF):
            return None
        raw = id.encode()
        kind = key[_LENGTH + 3 :], take.limit, take.period, proof is None
        template = self._takes.get(kind) or self._template_of_take(kind)
        tag = raw[:2]
        if proof is None:
            return template % (tag, raw[2:], tag, tag, raw)
        return template % (tag, raw[2:], tag, tag, raw, proof)

    def update(self, id: str, version: bytes, value: bytes) -> bytes:
        """A change that need not be durable."""
        if len(id) != _LENGTH or not id.isascii():
            return _whole(call_of_update(self._keys, id, version, value))
        raw = id.encode()
        tag, rest = raw[:2], raw[2:]
        return self._update % (tag, rest, tag, rest, version, len(value), value)

    def _template_of_take(self, kind: _Kind) -> bytes:
        """That of a kind of quota, of which an application has few."""
        rest, limit, period, without_proof = kind
        id = _TAG + _REST
        take = Take(f"s/{id}/{rest}", limit, period, None if without_proof else _PROOF)
        name = self._keys.quota_in(_TAG, take.key, period)
        template = _template(call_of_take(self._keys, id, name, take)).replace(_PROOF, b"%b")
        if len(self._takes) >= _KINDS_KEPT:
            self._takes = {}
        self._takes[kind] = template
        return template


def _whole(call: Call) -> bytes:
    return pack((call.command(),))


def _template(call: Call) -> bytes:
    """The command with `%b` for an id, its tag and its rest."""
    template = _whole(call).replace(b"%", b"%%")
    for part in (_TAG + _REST, _REST, _TAG):
        template = template.replace(part.encode(), b"%b")
    return template
