"""The verbs over a subject's records, and over everybody's."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from holdfast.errors import NotDurable
from holdfast.protocols import Page
from holdfast.rules.secret import tag_of
from holdfast.stores.redis import scripts
from holdfast.stores.redis.answers import flag, no_answer
from holdfast.stores.redis.calls import Call
from holdfast.stores.redis.client import require_proved
from holdfast.stores.redis.keys import ALL_TAGS, subject_of
from holdfast.stores.redis.reads import call_of_get
from holdfast.stores.redis.records import delete
from holdfast.stores.redis.values import subject_key_of, unpack

if TYPE_CHECKING:
    from holdfast.stores.redis.answers import Rows
    from holdfast.stores.redis.client import Client
    from holdfast.stores.redis.keys import Subject

_BATCH = 500
"""Records that one script removes, so that other clients of the server wait for a few ms at most."""
_FIRST_LOOK = 8
"""Tags that are looked into at first for a page of everybody; each further look is at 8 times as many."""


async def page_of(client: Client, salt: bytes, subject: str, after: str | None, limit: int) -> Page:
    """A page of one subject's records."""
    place = subject_of(subject, salt)
    arguments = (2, *client.keys.lists(place.tag), place.key, _start(place.tag, after), limit + 1)
    others, rows = await client.value(Call(place.tag, scripts.PAGE_OF, arguments, safe=True))
    found = _with_tag(place.tag, rows)
    if others:
        found = sorted(found + await _elsewhere(client, place, others, after))
    return _page(found, after, limit)


async def page_of_all(client: Client, after: str | None, limit: int) -> Page:
    """A page of everybody's records, tag by tag."""
    first = bisect_left(ALL_TAGS, tag_of(after or ""))
    found: Rows = []
    look = _FIRST_LOOK
    while first < len(ALL_TAGS) and len(found) <= limit:
        tags = ALL_TAGS[first : first + look]
        for tag in await _occupied(client, tags):
            most = limit + 1 - len(found)
            if most > 0:
                arguments = (2, *client.keys.lists(tag), _start(tag, after), most)
                rows = await client.value(Call(tag, scripts.PAGE_TAG, arguments, safe=True))
                found += _with_tag(tag, rows)
        first, look = first + look, look * 8
    return _page(found, after, limit)


async def delete_all(
    client: Client, salt: bytes, subject: str, keep: str | None
) -> tuple[str, ...]:
    """Remove all records of a subject but `keep`, in batches that each are one step."""
    place = subject_of(subject, salt)
    kept = keep[2:] if keep is not None and tag_of(keep) == place.tag else ""
    arguments = (2, *client.keys.lists(place.tag), place.key, kept, _BATCH)
    call = Call(place.tag, scripts.DELETE_ALL, arguments, durable=True)
    removed: list[str] = []
    others: tuple[str, ...] = ()
    proved, more, before = True, True, math.inf
    while more:
        done = await client.carry_out([call._replace(durable=proved)])
        looked, left, others, members = done.values[0]
        removed += [place.tag + member for member in members]
        proved, more = proved and done.proved, looked == _BATCH
        if more and left >= before:  # each batch takes all but one off the list
            raise no_answer()
        before = left
    for id, _ in await _elsewhere(client, place, others, None):
        if id == keep:
            continue
        try:
            there = await delete(client, id, None, durable=proved)
        except NotDurable:
            there, proved = True, False
        if there:
            removed.append(id)
    require_proved(proved, tuple(removed))
    return tuple(removed)


async def _occupied(client: Client, tags: list[str]) -> list[str]:
    """Those of the tags that have records."""
    calls = [
        Call(tag, None, ("EXISTS", client.keys.directory(tag)), safe=True, read=flag)
        for tag in tags
    ]
    there = await client.values(calls)
    return [tag for tag, yes in zip(tags, there, strict=True) if yes]


async def _elsewhere(
    client: Client, place: Subject, ids: tuple[str, ...], after: str | None
) -> Rows:
    """The subject's records in other slots; an id that is not the subject's any more is taken off."""
    found: Rows = []
    for id in ids:
        value = await client.value(call_of_get(client.keys, id))
        if value is None or subject_key_of(value) != place.key:
            arguments = (2, *client.keys.lists(place.tag), place.key, id, 0)
            await client.value(Call(place.tag, scripts.LIST_ELSEWHERE, arguments, safe=True))
        elif after is None or id > after:
            found.append((id, value))
    return found


def _start(tag: str, after: str | None) -> str:
    """The member after which a page of this tag begins."""
    if after is None or after < tag:
        return ""
    return after[2:] if tag_of(after) == tag else "~"  # greater than every member


def _with_tag(tag: str, rows: Rows) -> Rows:
    return [(tag + member, value) for member, value in rows]


def _page(found: Rows, last: str | None, limit: int) -> Page:
    """The page from the rows, which were asked for one more than `limit`.

    Raises:
        StoreUnavailable: they do not come after the `last` one of the page before, and in order.
    """
    ids = [last or "", *(id for id, _ in found)]
    if any(one >= other for one, other in pairwise(ids)):
        raise no_answer()
    records = [unpack(value, id) for id, value in found[:limit]]
    after = found[limit - 1][0] if len(found) > limit else None
    return Page(tuple(record for record in records if record is not None), after)
