"""The verbs that concern the whole store: the salt, the epochs, and clearing up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.stores.redis import scripts
from holdfast.stores.redis.answers import no_answer
from holdfast.stores.redis.calls import Call
from holdfast.stores.redis.client import require_proved
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.stores.redis.reads import call_of_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.stores.redis.client import Client

_TOGETHER = 256
"""Tags that are asked about in one go."""
_BATCH = 100
"""Records that one script purges, so that other clients of the server wait for a few ms at most."""
_IDLE = 25
"""Scripts in which nothing went before a tag is left for next time; each puts off 400 touched records."""
_SALT = 32


async def salt(client: Client) -> bytes:
    """The salt of the store; it is made by whoever asks first, and counts when the replicas have it.

    A process that has seen it puts it back should a server have lost it: under another one the
    sessions of a subject would not be found.
    """
    core = client.core
    if core.salt is not None:
        return core.salt
    proposed = core.last_salt or os.urandom(_SALT)
    found: bytes = await client.value(_salt(client, proposed, "make"))
    if len(found) == _SALT:  # without the mark that it is on the replicas
        await client.value(_salt(client, proposed, "prove", durable=True))
        await client.value(_salt(client, proposed, "mark"))
    core.salt = core.last_salt = found[:_SALT]
    return core.last_salt


async def adopt_salt(client: Client, given: bytes) -> bool:
    """Begin with the salt of the store that sessions come from; False: this one has another.

    Ids that came from there then lie where new ones of their subjects do. Others are listed elsewhere.
    """
    client.core.last_salt = client.core.last_salt or given
    return await salt(client) == given


async def bump_epoch(client: Client) -> int:
    """Make the epochs of all tags one that none of them has had; it."""
    epochs = [0]
    for tags in _parts():
        calls = [call_of_epoch(client.keys, tag) for tag in tags]
        epochs += await client.values(calls)
    return await _raise_to(client, max(epochs) + 1, grow=True)


async def raise_epoch(client: Client, epoch: int) -> None:
    """Make the epochs of all tags at least this one."""
    await _raise_to(client, epoch, grow=False)


async def purge(client: Client, limit: int) -> int:
    """Remove at most `limit` records that have ended; quotas go by themselves."""
    went = 0
    for tags in _parts():
        if went >= limit:
            break
        for tag in await _due(client, tags):
            went += await _purge_tag(client, tag, limit - went)
    return went


def _parts() -> Iterator[list[str]]:
    for start in range(0, len(ALL_TAGS), _TOGETHER):
        yield ALL_TAGS[start : start + _TOGETHER]


def _salt(client: Client, proposed: bytes, what: str, *, durable: bool = False) -> Call:
    arguments = (1, client.keys.salt, proposed, what)
    return Call(ALL_TAGS[0], scripts.SALT, arguments, durable=durable, safe=True)


async def _raise_to(client: Client, epoch: int, *, grow: bool) -> int:
    highest, proved = epoch, True
    for tags in _parts():
        calls = [
            Call(tag, scripts.RAISE, (2, *client.keys.lists(tag), epoch, int(grow)), durable=proved)
            for tag in tags
        ]
        done = await client.carry_out(calls)
        highest, proved = max(highest, *done.values), proved and done.proved
    require_proved(proved, epoch=highest)
    return highest


async def _due(client: Client, tags: list[str]) -> list[str]:
    """Those of the tags in which something may have ended."""
    calls = [Call(tag, scripts.DUE, (2, *client.keys.lists(tag)), safe=True) for tag in tags]
    due = await client.values(calls)
    return [tag for tag, yes in zip(tags, due, strict=True) if yes]


async def _purge_tag(client: Client, tag: str, limit: int) -> int:
    went, idle, more = 0, 0, True
    while more and went < limit and idle < _IDLE:
        most = min(_BATCH, limit - went)
        arguments = (2, *client.keys.lists(tag), most)
        some, more = await client.value(Call(tag, scripts.PURGE, arguments))
        if some > most:
            raise no_answer()
        went, idle = went + some, idle + (some == 0)
    return went
