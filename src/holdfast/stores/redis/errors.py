"""What a server's refusals mean: send it again, send it elsewhere, wait a little, or give up.

The texts that callers see are ours: the server's own may quote keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from holdfast.errors import RecordReadOnly, StoreCorrupt, StoreError, StoreUnavailable
from holdfast.stores.redis.target import place

if TYPE_CHECKING:
    from holdfast.stores.redis.target import Address

Verdict = Literal["text", "moved", "ask", "split", "wait", "resolve", "final"]


class Lost(Exception):
    """A connection could not be opened or broke; `sent`: the server may have done what was asked."""

    def __init__(self, reason: str, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent


class Unknown(Lost):
    """Nobody has looked yet which servers there are."""

    def __init__(self) -> None:
        super().__init__("the Redis servers are not known yet")


class Late(Lost):
    """The server did not answer within the time limit."""


class Split(StoreUnavailable):
    """The keys of a call are on two nodes of a Cluster just now; they may be asked for one by one."""


_VERDICTS: dict[str, Verdict] = {
    "NOSCRIPT": "text",
    "MOVED": "moved",
    "ASK": "ask",
    "TRYAGAIN": "split",
    "LOADING": "wait",
    "BUSY": "wait",
    "READONLY": "resolve",
    "CLUSTERDOWN": "resolve",
    "MASTERDOWN": "resolve",
}
_UNAVAILABLE = {
    "TRYAGAIN": "this part of the Redis Cluster is being moved",
    "LOADING": "the Redis server is still loading its data",
    "BUSY": "the Redis server is busy with a script",
    "READONLY": "the Redis server is a replica and takes no writes",
    "CLUSTERDOWN": "the Redis Cluster does not serve all of its slots",
    "MASTERDOWN": "the Redis server has lost its primary",
    "MOVED": "the Redis server keeps sending us elsewhere",
    "ASK": "the Redis server keeps sending us elsewhere",
    "OOM": "the Redis server has no memory left for sessions",
    "MISCONF": "the Redis server cannot write to its disk and takes no writes",
    "NOREPLICAS": "the Redis server takes no writes without its replicas",
    "NOAUTH": "the Redis server wants a user and a password",
    "WRONGPASS": "the Redis server refuses our user or password",
    "NOPERM": "the Redis server does not let our user do this",
    "NOSCRIPT": "the Redis server forgets scripts as fast as they are loaded",
}


def verdict(error: Exception) -> Verdict:
    """What to do about an error reply."""
    return _VERDICTS.get(_code(error), "final")


def store_error(error: Exception) -> StoreError:
    """The error to raise `from` this reply."""
    code = _code(error)
    if code == "NEWER":
        return RecordReadOnly("a newer release has written this record")
    if code in _UNAVAILABLE:
        return StoreUnavailable(_UNAVAILABLE[code])
    return StoreCorrupt("the Redis server refused a script: are its keys another program's?")


def new_place(error: Exception, asked: Address) -> tuple[int, Address]:
    """Slot and place of a MOVED or ASK reply by the server `asked`, which it need not name.

    Raises:
        StoreUnavailable: it names no place.
    """
    try:
        _, slot, address = str(error).split(" ")[:3]
        host, _, port = address.rpartition(":")
        return int(slot), place(host.strip("[]") or asked.host, int(port))
    except ValueError:
        raise StoreUnavailable(
            "the Redis Cluster sends us to a place that cannot be read"
        ) from error


def refuses_us(error: BaseException | None) -> bool:
    """Whether a server replied that our user, its password or its rights are wrong."""
    return _code(error) in {"NOAUTH", "WRONGPASS", "NOPERM"}


def _code(error: BaseException | None) -> str:
    text = str(error)
    if "can't run this command" in text:  # what a script says instead, and Redis 7.0 without a code
        return "NOPERM"
    return text.partition(" ")[0]
