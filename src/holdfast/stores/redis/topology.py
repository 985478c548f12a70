"""Which server holds what, as far as is known, and who is told when that changes.

Discovering blocks; an event loop has it done in a thread. It happens at the start, and when a
server was lost or sends us elsewhere.
"""

from __future__ import annotations

import ssl
import time
from threading import Lock
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.stores.redis.errors import Late, Lost, Unknown, refuses_us
from holdfast.stores.redis.facts import require_usable
from holdfast.stores.redis.keys import ALL_TAGS, SLOT_OF
from holdfast.stores.redis.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.stores.redis.facts import Facts
    from holdfast.stores.redis.search import Map
    from holdfast.stores.redis.target import Address, Target


class Topology:
    """The servers of a target, shared by threads and event loops.

    `looks` counts discoveries. `homes` are the primaries by tag that may be asked now: none before the
    first discovery, nor while a change is told, so that nobody is answered by a server of which those
    who must know have not heard. `facts` are those of the primaries that were met.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.looks = 0
        self.facts: dict[Address, Facts] = {}
        self.homes: dict[str, Address] = {}
        self._seconds = seconds
        self._map: dict[str, Address] = {}
        self._names: dict[str, str] = {}
        self._replicas: dict[str, int] = {}
        self._suspect: Address | None = None
        self._moved: list[Callable[[], None]] = []
        self._replaced: list[Callable[[], None]] = []
        self.after_fork()

    @property
    def known(self) -> bool:
        """Whether somebody can be asked."""
        return bool(self.homes)

    def address(self, tag: str) -> Address:
        """The primary that holds this tag, as far as is known.

        Raises:
            Unknown: it is not.
        """
        address = self.homes.get(tag)
        if address is None:
            raise Unknown
        return address

    def name(self, tag: str) -> str:
        """The name of that primary; empty while nothing is known."""
        return self._names.get(tag, "")

    def primaries(self) -> tuple[Address, ...]:
        """All primaries that hold something; none while nothing is known."""
        return tuple(dict.fromkeys(self._map.values()))

    def held_by(self, address: Address) -> list[str]:
        """The tags that this server holds."""
        return [tag for tag, home in self._map.items() if home == address]

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
        self._learn(lambda known: {**known, **dict.fromkeys(tags, address)})

    def suspect(self, address: Address) -> None:
        """Ask this server last."""
        self._suspect = address

    def meet(self, address: Address, facts: Facts) -> None:
        """Note what the server at this address says of itself, before anything else is asked of it.

        Another process than the last one there has taken its place, and not every connection to that
        one need have ended: a proxy or a moved address may leave them hanging.

        Raises:
            Lost: it is no primary (any more).
            StoreUnavailable: sessions cannot be entrusted to it.
        """
        require_usable(facts, self.target)
        if not facts.primary:
            raise Lost("the Redis server is a replica")
        last = self.facts.get(address)
        if last is not None and last.node != facts.node:
            for each in self._replaced:
                each()
        self.facts[address] = facts  # last, as whoever meets it meanwhile must not go ahead

    def discover(self, seen: int) -> None:
        """Find out who holds what, unless somebody did so since `looks` was `seen`.

        Raises:
            Lost: nobody who knows can be reached, or not in time.
            StoreError: a server refuses us.
        """
        deadline = time.monotonic() + self._seconds
        if not self._lock.acquire(timeout=self._seconds):
            raise Late("nobody has found the Redis servers in time")
        try:
            if self.looks != seen:
                return
            self.looks += 1
            search = Search(self.target, deadline, {*self._map.values()}, self._suspect)
            found = search.find()
            if not self._map:
                self._start(search, found)
            self._learn(lambda _: found.homes)
        finally:
            self._lock.release()

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
        """Make the locks anew, which another thread of the parent may have held."""
        self._lock = Lock()
        self._change = Lock()

    def _start(self, search: Search, found: Map) -> None:
        """Meet all primaries that can be reached; the replicas that they have now are those that count."""
        replicas = dict(found.replicas)
        for address in dict.fromkeys(found.homes.values()):
            try:
                facts = search.greet(address)
            except Lost:
                if self.target.kind != "cluster":
                    raise
                continue
            self.meet(address, facts)
            if self.target.kind != "cluster":
                replicas = dict.fromkeys(ALL_TAGS, facts.replicas)
        self._replicas = replicas

    def _learn(self, change: Callable[[dict[str, Address]], dict[str, Address]]) -> None:
        """Tell of the changed map, and then have it used."""
        with self._change:
            homes = change(self._map)
            if homes == self.homes:
                return
            strangers = bool(self._map) and not {*homes.values()} <= {*self._map.values()}
            self.homes = {}
            self._map, self._names = homes, {tag: str(home) for tag, home in homes.items()}
            try:
                for each in (*self._replaced, *self._moved) if strangers else self._moved:
                    each()
            finally:
                self.homes = homes
