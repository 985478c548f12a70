"""One look for who holds what: the one server, the primary that Sentinels name, or a Cluster's map of slots."""

from __future__ import annotations

import random
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.errors import ConfigurationError, StoreCorrupt, StoreUnavailable
from holdfast.stores.redis.errors import Late, Lost, store_error
from holdfast.stores.redis.facts import facts_of, greeting, log_in, require_usable
from holdfast.stores.redis.keys import ALL_TAGS, SLOT_OF
from holdfast.stores.redis.target import place
from holdfast.stores.redis.wire import Argument, ReplyError, Wire, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.stores.redis.facts import Facts
    from holdfast.stores.redis.target import Address, Target

_TURN_S = 0.5
"""Seconds that one of several servers may take, whether it is asked for the others or only greeted."""

_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer raises that is not the one that was asked for: something else listens there."""


class Map(NamedTuple):
    """The primary of each tag, and how many replicas that has."""

    homes: dict[str, Address]
    replicas: dict[str, int]


class Search:
    """A look that ends by `deadline`, on the clock `time.monotonic`.

    `known` are the primaries so far, of which the `suspect` is asked last.
    """

    def __init__(
        self, target: Target, deadline: float, known: set[Address], suspect: Address | None
    ) -> None:
        self.target = target
        self._deadline = deadline
        self._known = known
        self._suspect = suspect

    def find(self) -> Map:
        """Who holds what.

        Raises:
            Lost: nobody who knows can be reached.
            StoreError: a server refuses us.
        """
        return _FINDERS[self.target.kind](self)

    def greet(self, address: Address) -> Facts:
        """What the server at this address says of itself.

        Raises:
            Lost: it cannot be reached, or there is no time left.
            StoreError: it refuses us.
        """
        commands = greeting(self.target)
        return facts_of(self._ask(address, commands, alone=self.target.kind != "cluster"))

    def ask_guide(self, address: Address, *question: Argument) -> Any:
        """The reply of a Sentinel or of a node of a Cluster. Raises as `greet`."""
        target = self.target
        login = target.sentinel_login if target.kind == "sentinel" else target.login
        replies = self._ask(address, [*log_in(login), question], alone=False)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise store_error(reply) from reply
        return replies[-1]

    def guides(self) -> Iterator[Address]:
        """The nodes of a Cluster to ask, in random order, the suspect last."""
        nodes = {*self.target.seeds, *self._known}
        yield from sorted(nodes, key=lambda node: (node == self._suspect, random.random()))  # noqa: S311

    def _ask(
        self, address: Address, commands: list[tuple[Argument, ...]], *, alone: bool
    ) -> list[Any]:
        """The replies of one server, which has all the time there is only if there are no others."""
        now = time.monotonic()
        if now >= self._deadline:
            raise Late("nobody has found the Redis servers in time")
        deadline = self._deadline if alone else min(now + _TURN_S, self._deadline)
        with closing(Wire(address, self.target.tls, deadline)) as wire:
            return wire.ask(pack(commands), len(commands), deadline)


def _single(search: Search) -> Map:
    return Map(dict.fromkeys(ALL_TAGS, search.target.seeds[0]), {})


def _by_sentinels(search: Search) -> Map:
    """The primary of which the newest configuration speaks, if most of the Sentinels answer.

    A single one may be cut off from the others, together with a primary that no longer is one.
    """
    views: list[tuple[int, Address]] = []
    error: Exception | None = None
    ignorant = 0
    for seed in search.target.seeds:
        try:
            reply = search.ask_guide(seed, "SENTINEL", "MASTER", search.target.service)
            views.append(_read_view(reply))
        except (Lost, StoreUnavailable, *_UNREADABLE) as failed:
            error = failed
        except StoreCorrupt:  # it watches over no such service, perhaps not yet again
            ignorant += 1
    if ignorant == len(search.target.seeds):
        raise StoreUnavailable("the Sentinels do not know the service") from ConfigurationError(
            "store: the Sentinels watch over no service of the name in the URL"
        )
    if 2 * len(views) <= len(search.target.seeds):
        raise Lost("too few of the Sentinels answer and know the service") from error
    return Map(dict.fromkeys(ALL_TAGS, max(views)[1]), {})


def _read_view(reply: Any) -> tuple[int, Address]:
    """The configuration's number, and the primary that it names."""
    view = dict(zip(reply[::2], reply[1::2], strict=True))
    return int(view[b"config-epoch"]), place(view[b"ip"].decode(), int(view[b"port"]))


def _by_cluster(search: Search) -> Map:
    """The map of slots of any node that answers."""
    error: Exception | None = None
    for node in search.guides():
        try:
            found = _read_slots(search.ask_guide(node, "CLUSTER", "SLOTS"), node)
        except (Lost, *_UNREADABLE) as failed:
            error = failed
            continue
        except StoreCorrupt:  # it does not know the question
            require_usable(search.greet(node), search.target)
            raise
        if len(found.homes) == len(ALL_TAGS):
            return found
    raise Lost("no node of the Redis Cluster knows a primary for every slot") from error


def _read_slots(ranges: list[Any], asked: Address) -> Map:
    homes: dict[str, Address] = {}
    replicas: dict[str, int] = {}
    for first, last, primary, *others in ranges:
        address = place((primary[0] or b"").decode() or asked.host, primary[1])
        for tag, slot in SLOT_OF.items():
            if first <= slot <= last:
                homes[tag] = address
                replicas[tag] = len(others)
    return Map(homes, replicas)


_FINDERS: dict[str, Callable[[Search], Map]] = {
    "single": _single,
    "sentinel": _by_sentinels,
    "cluster": _by_cluster,
}
