"""The verbs of one record. Each is one script in one slot.

Only what the engine never does takes several steps: a subject whose list lies in another slot than
the record, and a replaced record of another slot.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from msgspec.structs import replace

from holdfast.errors import UsageError
from holdfast.protocols import Admitted, Reading, Refused, Taken
from holdfast.rules.secret import tag_of
from holdfast.stores.redis import scripts
from holdfast.stores.redis.calls import Answer, Call
from holdfast.stores.redis.client import require_proved
from holdfast.stores.redis.errors import Lost, Split
from holdfast.stores.redis.reads import call_of_epoch, call_of_get, call_of_take, call_of_update
from holdfast.stores.redis.values import (
    epoch_of,
    pack,
    packed_version,
    time_text,
    unpack,
    version_of,
)
from holdfast.stores.redis.wire import ReplyError

if TYPE_CHECKING:
    from holdfast.protocols import Cap, Replacing, Take
    from holdfast.record import Record
    from holdfast.stores.redis.client import Client
    from holdfast.stores.redis.keys import Subject


async def get(client: Client, id: str, take: Take) -> Reading:
    """The record, and what was taken from the quota."""
    if take.period < 1:
        raise UsageError("the period of a quota must be at least 1 ms")
    nodes: tuple[str, ...] = ()
    packed = client.packed.take(id, take)
    found = None if packed is None else await client.at_once(id[:2], packed, safe=False)
    if found is not None:
        (value, spent), node = scripts.GET_AND_TAKE.read(found[0]), found[1]
    else:
        tag, name = client.keys.quota(take.key, take.period)
        if tag != tag_of(id):
            return await _spend(client, await read(client, id), take)
        call = call_of_take(client.keys, id, name, take)._replace(hasty=True)
        try:
            (value, spent), node, nodes = await client.ask_again(call)
        except Split:
            return await _spend(client, await read(client, id), take)
    if value is None:
        return Reading(None, node=node, nodes=nodes)
    record = unpack(value, id)
    taken = None if record is None else spent
    return Reading(record, taken, record is None, node, nodes=nodes)


async def read(client: Client, id: str) -> Reading:
    """The record alone."""
    nodes: tuple[str, ...] = ()
    try:  # as `Client.at_once`: each request reads, and awaiting that costs 0.4 µs more
        (value,), node = await client.send(id[:2], client.packed.get(id))
    except Lost as error:
        client.require_hope(error, safe=True)
        value, node, nodes = await _read_again(client, id)
    else:
        if isinstance(value, ReplyError):
            value, node, nodes = await _read_again(client, id)
    record = None if value is None else unpack(value, id)
    return Reading(record, None, record is None and value is not None, node, nodes=nodes)


async def _read_again(client: Client, id: str) -> Answer:
    try:
        return await client.ask_again(call_of_get(client.keys, id)._replace(hasty=True))
    except Split:
        return await _read_apart(client, id)


async def _read_apart(client: Client, id: str) -> Answer:
    """The value, and then the epoch, which is on another node just now.

    In this order both show what had ended before, and no end is undone by what ends meanwhile.
    """
    tag, (record, _) = tag_of(id), client.keys.record(id)
    found = await client.ask(Call(tag, None, ("GETEX", record, "PERSIST"), safe=True))
    current = await client.ask(call_of_epoch(client.keys, tag))
    if found.value is not None and epoch_of(found.value) not in {None, current.value}:
        found = found._replace(value=None)
    return found.beside(current)


async def take(client: Client, key: str, limit: int, period: int) -> Taken:
    """Spend one from a quota."""
    if period < 1:
        raise UsageError("the period of a quota must be at least 1 ms")
    tag, name = client.keys.quota(key, period)
    answer: Taken = await client.value(Call(tag, scripts.TAKE, (1, name, limit, period)))
    return answer


async def insert(
    client: Client, salt: bytes, record: Record, cap: Cap | None, replacing: Replacing | None
) -> Admitted | Refused:
    """Add a record, in one step with the end of the replaced and the evicted ones."""
    if replacing is not None and tag_of(replacing.id) != tag_of(record.id):
        return await _insert_across(client, salt, record, cap, replacing)
    tag = tag_of(record.id)
    subject = client.core.place_of(record.subject, salt)
    value = _packed(record, subject)
    if subject is not None and subject.tag != tag:
        await _list_elsewhere(client, record.id, subject)
    call = Call(
        tag,
        scripts.INSERT,
        (
            2,
            *client.keys.record(record.id),
            record.id[2:],
            value,
            "" if cap is None else cap.limit,
            "" if cap is None else cap.over,
            replacing.id[2:] if replacing else "",
            packed_version(replacing.version) if replacing else "",
        ),
    )
    answer: Admitted | Refused = await client.value(call)
    if isinstance(answer, Refused):
        return answer
    return Admitted(tuple([tag + member for member in answer.evicted]))


async def update(
    client: Client, salt: bytes, record: Record, expected: int, *, durable: bool
) -> bool:
    """Replace a record if it still has the version `expected`."""
    id, subject = record.id, client.core.place_of(record.subject, salt)
    value, version = _packed(record, subject), packed_version(expected)
    if subject is not None and subject.tag != id[:2]:
        await _list_elsewhere(client, id, subject)
    if not durable:
        packed = client.packed.update(id, version, value)
        found = await client.at_once(id[:2], packed, safe=False)
        if found is not None:
            return found[0] == 1 or bool(scripts.UPDATE.read(found[0]))
    call = call_of_update(client.keys, id, version, value, durable=durable)
    return await _changed(client, call)


async def touch(
    client: Client, id: str, seen_at: int, expires_at: int, address: str | None
) -> bool:
    """Note activity."""
    arguments = (2, *client.keys.record(id), time_text(seen_at), time_text(expires_at))
    given = () if address is None else (address.encode("utf-8", "replace"),)
    call = Call(tag_of(id), scripts.TOUCH, (*arguments, *given), safe=True, hasty=True)
    try:
        return bool(await client.value(call))
    except Split:
        return bool(await client.value(await _alone(client, call)))


async def delete(client: Client, id: str, expected: int | None, *, durable: bool) -> bool:
    """Remove a record (if it still has the version `expected`)."""
    version = b"" if expected is None else packed_version(expected)
    arguments = (2, *client.keys.record(id), id[2:], version, int(durable))
    call = Call(tag_of(id), scripts.DELETE, arguments, durable=durable)
    return await _changed(client, call, conditional=expected is not None)


async def _changed(client: Client, call: Call, *, conditional: bool = True) -> bool:
    """Whether it was done. What a condition refused is to be proved by nobody, and must not pass for done."""
    try:
        done = await client.carry_out((call._replace(hasty=True),))
    except Split:
        done = await client.carry_out((await _alone(client, call),))
    if done.values[0] or not conditional:
        require_proved(done.proved)
    return bool(done.values[0])


async def _alone(client: Client, call: Call) -> Call:
    """The same call for the node that has the record, without the epoch, which is on another just now."""
    _, record, _, *others = call.arguments
    current = await client.value(call_of_epoch(client.keys, call.tag))
    return call._replace(arguments=(1, record, *others, current), hasty=False)


async def _spend(client: Client, reading: Reading, wanted: Take) -> Reading:
    """Take from a quota that lies in another slot than the record, if it may be (R148)."""
    record = reading.record
    if record is None:
        return reading
    if wanted.proof is not None and not hmac.compare_digest(wanted.proof, record.secret_hash):
        return reading
    return replace(reading, taken=await take(client, wanted.key, wanted.limit, wanted.period))


def _packed(record: Record, subject: Subject | None) -> bytes:
    if subject is None:
        return pack(record, None)
    return pack(record, subject.key, elsewhere=subject.tag != tag_of(record.id))


async def _list_elsewhere(client: Client, id: str, subject: Subject) -> None:
    """Put the id on its subject's list first, which is in another slot: none is ever missing there."""
    arguments = (2, *client.keys.lists(subject.tag), subject.key, id, 1)
    await client.value(Call(subject.tag, scripts.LIST_ELSEWHERE, arguments))


async def _insert_across(
    client: Client, salt: bytes, record: Record, cap: Cap | None, replacing: Replacing
) -> Admitted | Refused:
    """Insert, then remove the replaced record of another slot; if that has changed, take it back."""
    old = await client.value(call_of_get(client.keys, replacing.id))
    if old is not None and version_of(old) != replacing.version:
        return Refused("changed")
    answer = await insert(client, salt, record, cap, None)
    if old is None or isinstance(answer, Refused):
        return answer
    if await delete(client, replacing.id, replacing.version, durable=False):
        return answer
    if await client.value(call_of_get(client.keys, replacing.id)) is None:
        return answer
    await delete(client, record.id, None, durable=False)
    return Refused("changed")
