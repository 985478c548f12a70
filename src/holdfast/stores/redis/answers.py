"""What the servers' replies must be before anybody makes something of them.

A reply that no script of ours gives says nothing: what listens there may be a proxy, or another
program. It must not pass for a damaged record, which would end a session, nor for a revocation that was
carried out. Each script names the reader of its replies.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from holdfast.errors import StoreUnavailable
from holdfast.protocols import Admitted, Refused, Taken

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 2**32 - 1
_REFUSED = {word.encode(): Refused(word) for word in ("exists", "cap", "changed")}

Rows = list[tuple[str, bytes]]
"""Members and the values of their records; an empty value is gone."""


def no_answer() -> StoreUnavailable:
    """The error for a reply that is none."""
    return StoreUnavailable("what answers for the Redis server gives replies that are none")


def _reader(read: Callable[P, T]) -> Callable[P, T]:
    """A reader that may fail at whatever a reply is."""

    @wraps(read)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except (LookupError, TypeError, ValueError):
            raise no_answer() from None

    return call


def _require(fits: bool) -> None:  # noqa: FBT001 - one word, one meaning
    if not fits:
        raise ValueError


@_reader
def flag(reply: Any) -> bool:
    """1 or 0: whether something was done, or is there."""
    return {1: True, 0: False}[number(reply)]


@_reader
def number(reply: Any) -> int:
    """A count, or an epoch."""
    _require(type(reply) is int and 0 <= reply <= _MOST)
    return int(reply)


@_reader
def written_number(reply: Any) -> int:
    """The value of a key that holds a number; 0 where there is none."""
    value = text(reply)
    _require(value is None or len(value) <= len(str(_MOST)))
    return number(int(value or 0))


@_reader
def text(reply: Any) -> bytes | None:
    """The value of a key, if there is one."""
    _require(reply is None or type(reply) is bytes)
    return reply  # type: ignore[no-any-return]


@_reader
def salt(reply: Any) -> bytes:
    """The salt, with one more byte when the replicas have it."""
    _require(type(reply) is bytes and len(reply) in {32, 33})
    return bytes(reply)


def taken(reply: Any) -> Taken:
    """What a quota says; on the way of every request, so it does without `_reader`."""
    try:
        allowed, left, wait = reply
        if allowed | left | wait >= 0:
            return Taken(allowed == 1, left, wait)
    except (TypeError, ValueError):
        pass
    raise no_answer()


def value_and_taken(reply: Any) -> tuple[bytes | None, Taken | None]:
    """A record's value if there is one, and what was taken if it could be. As `taken`."""
    if reply is None:
        return None, None
    try:
        value = reply[0]
        spent = taken(reply[1]) if len(reply) > 1 else None
    except (LookupError, TypeError):
        raise no_answer() from None
    if value is None:
        raise no_answer()
    return value, spent


@_reader
def inserted(reply: Any) -> Admitted | Refused:
    """What became of an insert; the evicted are members, without their tag."""
    word, *members = reply
    return Admitted(_names(members)) if word == b"admitted" else _REFUSED[word]


@_reader
def rows(reply: Any) -> Rows:
    """Members and values that come in turn."""
    _require(all(type(each) is bytes for each in reply))
    return list(zip(_names(reply[::2]), reply[1::2], strict=True))


@_reader
def names_and_rows(reply: Any) -> tuple[tuple[str, ...], Rows]:
    """Ids of other slots, and rows."""
    others, found = reply
    return _names(others), rows(found)


class Removed(NamedTuple):
    """One batch of `delete_all`.

    How many were looked at, how many are left, the ids of other slots, the members that went.
    """

    looked: int
    left: int
    others: tuple[str, ...]
    members: tuple[str, ...]


@_reader
def removed(reply: Any) -> Removed:
    """See `Removed`."""
    looked, left, others, members = reply
    return Removed(number(looked), number(left), _names(others), _names(members))


@_reader
def purged(reply: Any) -> tuple[int, bool]:
    """How many went, and whether there may be more."""
    went, more = reply
    return number(went), flag(more)


def _names(reply: Any) -> tuple[str, ...]:
    """Ids or members of them."""
    return tuple([bytes.decode(each, "ascii") for each in reply])


@_reader
def page_of_keys(reply: Any) -> tuple[bytes, list[bytes]]:
    """A page of SCAN: where the next one begins, and keys."""
    cursor, keys = reply
    _require(cursor.isdigit() and all(type(each) is bytes for each in keys))
    return cursor, list(keys)
