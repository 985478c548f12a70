"""Which server holds what: one for everything, the one that Sentinels name, or a Cluster's map of slots.

Discovering blocks; an event loop has it done in a thread. It happens at the start, and when a
server was lost or sends us elsewhere.
"""

from __future__ import annotations

import random
import ssl
import time
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.errors import ConfigurationError, StoreCorrupt, StoreUnavailable
from holdfast.stores.redis.errors import Lost, refuses_us, store_error
from holdfast.stores.redis.facts import Facts, facts_of, greeting, log_in, require_fit
from holdfast.stores.redis.keys import ALL_TAGS, SLOT_OF
from holdfast.stores.redis.target import place
from holdfast.stores.redis.wire import Argument, ReplyError, Wire, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.stores.redis.target import Address, Target

_GUIDE_S = 0.5
"""Seconds that one Sentinel, or one node that is asked for the map of slots, may take."""

_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer raises that is not the one that was asked for: something else listens there."""


class _Map(NamedTuple):
    """The primary of each tag, and how many replicas that has."""

    homes: dict[str, Address]
    replicas: dict[str, int]


class Topology:
    """The servers of a target, shared by threads and event loops.

    `looks` counts discoveries. `homes` are the primaries by tag, none before the first discovery.
    `facts` are those of the primaries that were met.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.looks = 0
        self.facts: dict[Address, Facts] = {}
        self._seconds = seconds
        self.homes: dict[str, Address] = {}
        self._names: dict[str, str] = {}
        self._replicas: dict[str, int] = {}
        self._suspect: Address | None = None
        self._moved: list[Callable[[], None]] = []
        self._replaced: list[Callable[[], None]] = []
        self._lock = Lock()

    @property
    def known(self) -> bool:
        """Whether the servers were found once; the methods below need that."""
        return bool(self.homes)

    def address(self, tag: str) -> Address:
        """The primary that holds this tag, as far as is known."""
        return self.homes[tag]

    def name(self, tag: str) -> str:
        """The name of that primary; empty while nothing is known."""
        return self._names.get(tag, "")

    def primaries(self) -> tuple[Address, ...]:
        """All primaries that hold something."""
        return tuple(dict.fromkeys(self.homes.values()))

    def replicas(self, tag: str) -> int:
        """How many replicas must acknowledge a durable write of this tag."""
        given = self.target.replicas
        return self._replicas.get(tag, 0) if given is None else given

    def fewest_replicas(self) -> int:
        """The least of `replicas` over all tags."""
        return min(map(self.replicas, ALL_TAGS))

    def on_change(self, moved: Callable[[], None]) -> None:
        """Call `moved` whenever the map has changed."""
        self._moved.append(moved)

    def on_replacement(self, replaced: Callable[[], None]) -> None:
        """Call `replaced` whenever a server has a part that was no primary before."""
        self._replaced.append(replaced)

    def move(self, slot: int, address: Address) -> None:
        """Note that a slot has moved."""
        tags = [tag for tag in ALL_TAGS if SLOT_OF[tag] == slot]
        self._learn({**self.homes, **dict.fromkeys(tags, address)})

    def suspect(self, address: Address) -> None:
        """Ask this server last."""
        self._suspect = address

    def meet(self, address: Address, facts: Facts) -> None:
        """Note what the server at this address says of itself.

        Raises:
            Lost: it is no primary (any more).
            StoreUnavailable: sessions cannot be entrusted to it.
        """
        try:
            require_fit(facts, self.target)
        except ConfigurationError as error:
            raise StoreUnavailable(str(error)) from error
        if not facts.primary:
            raise Lost("the Redis server is a replica")
        self.facts[address] = facts

    def discover(self, seen: int) -> None:
        """Find out who holds what, unless somebody did so since `looks` was `seen`.

        Raises:
            Lost: nobody who knows can be reached.
            StoreError: a server refuses us.
        """
        with self._lock:
            if self.looks != seen:
                return
            self.looks += 1
            found = _FINDERS[self.target.kind](self)
            if not self.homes:
                self._start(found)
            self._learn(found.homes)

    def check(self) -> None:
        """Refuse servers that would lose sessions or refuse us, as far as they can be reached now.

        Raises:
            ConfigurationError: with what to change (P25).
        """
        try:
            self.discover(self.looks)
        except (Lost, StoreUnavailable) as error:
            cause = error.__cause__
            if isinstance(cause, ConfigurationError):
                raise cause from None
            if isinstance(cause, ssl.SSLCertVerificationError) or refuses_us(cause):
                raise ConfigurationError(f"store: {error}") from error

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = Lock()

    def greet(self, address: Address) -> Facts:
        """What the server at this address says of itself."""
        target = self.target
        deadline = time.monotonic() + self._seconds
        with closing(Wire(address, target.tls, deadline)) as wire:
            commands = greeting(target)
            return facts_of(wire.ask(pack(commands), len(commands), deadline))

    def ask_guide(self, address: Address, *question: Argument) -> Any:
        """The reply of a Sentinel or of a node of a Cluster.

        Raises:
            Lost: it cannot be reached.
            StoreError: it refuses us.
        """
        target = self.target
        login = target.sentinel_login if target.kind == "sentinel" else target.login
        deadline = time.monotonic() + _GUIDE_S
        with closing(Wire(address, target.tls, deadline)) as wire:
            commands = [*log_in(login), question]
            replies = wire.ask(pack(commands), len(commands), deadline)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise store_error(reply) from reply
        return replies[-1]

    def guides(self) -> Iterator[Address]:
        """The nodes of a Cluster to ask, in random order, the suspect last."""
        nodes = {*self.target.seeds, *self.homes.values()}
        yield from sorted(nodes, key=lambda node: (node == self._suspect, random.random()))  # noqa: S311

    def _start(self, found: _Map) -> None:
        """Meet all primaries that can be reached; the replicas that they have now are those that count."""
        replicas = dict(found.replicas)
        for address in dict.fromkeys(found.homes.values()):
            try:
                facts = self.greet(address)
            except Lost:
                if self.target.kind != "cluster":
                    raise
                continue
            self.meet(address, facts)
            if self.target.kind != "cluster":
                replicas = dict.fromkeys(ALL_TAGS, facts.replicas)
        self._replicas = replicas

    def _learn(self, homes: dict[str, Address]) -> None:
        if homes == self.homes:
            return
        strangers = bool(self.homes) and not {*homes.values()} <= {*self.homes.values()}
        self._names = {tag: str(address) for tag, address in homes.items()}
        self.homes = homes
        for each in (*self._replaced, *self._moved) if strangers else self._moved:
            each()


def _single(topology: Topology) -> _Map:
    return _Map(dict.fromkeys(ALL_TAGS, topology.target.seeds[0]), {})


def _by_sentinels(topology: Topology) -> _Map:
    """The primary of which the newest configuration speaks, if most of the Sentinels answer.

    A single one may be cut off from the others, together with a primary that no longer is one.
    """
    views: list[tuple[int, Address]] = []
    error: Exception | None = None
    ignorant = 0
    for seed in topology.target.seeds:
        try:
            reply = topology.ask_guide(seed, "SENTINEL", "MASTER", topology.target.service)
            views.append(_read_view(reply))
        except (Lost, StoreUnavailable, *_UNREADABLE) as failed:
            error = failed
        except StoreCorrupt:  # it watches over no such service, perhaps not yet again
            ignorant += 1
    if ignorant == len(topology.target.seeds):
        raise StoreUnavailable("the Sentinels do not know the service") from ConfigurationError(
            "store: the Sentinels watch over no service of the name in the URL"
        )
    if 2 * len(views) <= len(topology.target.seeds):
        raise Lost("too few of the Sentinels answer and know the service") from error
    return _Map(dict.fromkeys(ALL_TAGS, max(views)[1]), {})


def _read_view(reply: Any) -> tuple[int, Address]:
    """The configuration's number, and the primary that it names."""
    view = dict(zip(reply[::2], reply[1::2], strict=True))
    return int(view[b"config-epoch"]), place(view[b"ip"].decode(), int(view[b"port"]))


def _by_cluster(topology: Topology) -> _Map:
    """The map of slots of any node that answers."""
    error: Exception | None = None
    for node in topology.guides():
        try:
            found = _read_slots(topology.ask_guide(node, "CLUSTER", "SLOTS"), node)
        except (Lost, *_UNREADABLE) as failed:
            error = failed
            continue
        except StoreCorrupt:  # it does not know the question
            topology.meet(node, topology.greet(node))
            raise
        if len(found.homes) == len(ALL_TAGS):
            return found
    raise Lost("no node of the Redis Cluster knows a primary for every slot") from error


def _read_slots(ranges: list[Any], asked: Address) -> _Map:
    homes: dict[str, Address] = {}
    replicas: dict[str, int] = {}
    for first, last, primary, *others in ranges:
        address = place((primary[0] or b"").decode() or asked.host, primary[1])
        for tag, slot in SLOT_OF.items():
            if first <= slot <= last:
                homes[tag] = address
                replicas[tag] = len(others)
    return _Map(homes, replicas)


_FINDERS: dict[str, Callable[[Topology], _Map]] = {
    "single": _single,
    "sentinel": _by_sentinels,
    "cluster": _by_cluster,
}
