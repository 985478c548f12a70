"""What the wrappers around the store ask of it: the changes of each node, probes, losses, durability.

A line is a connection that Redis sends the names of changed keys to (client tracking in broadcast
mode). They come in the order of the changes, before the answer to a later command, also for keys
that expire or move to another node.
"""

from __future__ import annotations

import random
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.errors import StoreError, StoreUnavailable
from holdfast.stores.redis.errors import Lost, store_error
from holdfast.stores.redis.facts import facts_of, greeting
from holdfast.stores.redis.wire import PushNotification, ReplyError, Wire, pack
from holdfast.stores.remote import Answered, Changed, Durability, Flushed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.stores.redis.core import Core
    from holdfast.stores.redis.target import Address
    from holdfast.stores.redis.wire import Argument
    from holdfast.stores.remote import Happening

_FENCE_KEPT_S = 3600
_FENCE_MS = 500
"""How long a fenced probe waits for the replicas."""


class RedisRemote:
    """`holdfast.stores.remote.Remote` over a core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def fenced(self) -> bool:
        return self._core.target.fence

    def lines(self) -> tuple[str, ...]:
        topology = self._core.topology
        if not topology.primaries():
            self._discover()
        return tuple(map(str, topology.primaries()))

    def line_of(self, id: str) -> str:
        return self._core.topology.name(id[:2])

    def dial(self, line: str) -> RedisLine:
        topology = self._core.topology
        address = next((each for each in topology.primaries() if str(each) == line), None)
        if address is None:
            raise StoreUnavailable("the Redis server of this line serves nothing any more")
        try:
            return RedisLine(self._core, address)
        except Lost as error:
            self._discover()
            raise StoreUnavailable(str(error)) from error

    def on_change(self, moved: Callable[[], None]) -> None:
        self._core.topology.on_change(moved)

    def on_loss(self, lost: Callable[[], None]) -> None:
        self._core.on_loss(lost)

    def durability(self) -> Durability:
        topology = self._core.topology
        if not topology.primaries():
            self._discover()
        replicas = topology.fewest_replicas()
        if replicas:
            return Durability("replicated", replicas)
        facts = [topology.facts.get(address) for address in topology.primaries()]
        synced = bool(facts) and all(each is not None and each.synced for each in facts)
        return Durability("fsynced" if synced else "memory")

    def _discover(self) -> None:
        topology = self._core.topology
        try:
            topology.discover(topology.looks)
        except (Lost, StoreError):
            return  # whoever asks next sees what is known


class RedisLine:
    """`holdfast.stores.remote.Line` to one primary.

    The probe is a write that changes nothing, which a server that has become a replica, or does not
    serve the slot any more, refuses. With the fence it is a small real write, and counts when the
    replicas have acknowledged it.
    """

    def __init__(self, core: Core, address: Address) -> None:
        """Open it.

        Raises:
            Lost: it cannot be opened now.
            StoreError: the server refuses us.
        """
        self._core = core
        self._address = address
        self._serials: deque[int] = deque()
        self._replies: list[Any] = []
        self._probe = _probe(core, address)
        deadline = time.monotonic() + core.seconds
        self._wire = Wire(address, core.target.tls, deadline)
        try:
            self._node = self._greet(deadline)
        except BaseException:
            self._wire.close()
            raise

    @property
    def node(self) -> str:
        return self._node

    def probe(self, serial: int) -> None:
        try:
            self._wire.send(self._probe.payload)
        except Lost as error:
            raise self._lost(error) from error
        self._serials.append(serial)

    def receive(self, timeout: float) -> Sequence[Happening]:
        try:
            return [each for reply in self._wire.receive(timeout) for each in self._read(reply)]
        except Lost as error:
            raise self._lost(error) from error
        except (AttributeError, LookupError, TypeError) as error:
            raise self._lost(Lost("what answers on this line is no Redis server")) from error

    def close(self) -> None:
        self._wire.close()

    def _greet(self, deadline: float) -> str:
        core = self._core
        prefixes = ("PREFIX", core.keys.records, "PREFIX", core.keys.endings)
        commands = greeting(core.target)
        known = len(commands)
        commands += [("HELLO", 3), ("CLIENT", "TRACKING", "ON", "BCAST", *prefixes)]
        commands += self._probe.first
        replies = self._wire.ask(pack(commands), len(commands), deadline)
        for reply in replies[known:]:
            if isinstance(reply, ReplyError):
                raise store_error(reply) from reply
        facts = facts_of(replies[:known])
        core.topology.meet(self._address, facts)
        return facts.node

    def _read(self, reply: Any) -> Iterator[Happening]:
        if isinstance(reply, PushNotification):
            yield from self._changes(reply)
            return
        if isinstance(reply, ReplyError):
            raise Lost("the Redis server does not serve this line any more")
        self._replies.append(reply)
        if len(self._replies) == self._probe.replies:
            serial, replies = self._serials.popleft(), self._replies
            self._replies = []
            if self._probe.passed(replies):
                yield Answered(serial)

    def _changes(self, message: list[Any]) -> Iterator[Happening]:
        """What an invalidation tells; one without keys tells of all of them."""
        if message[0] != b"invalidate":
            return
        records = self._core.keys.records
        for key in message[1] or (b"",):
            if key.startswith(records):
                rest = key[len(records) :].decode("utf-8", "replace")
                yield Changed(rest[:2] + rest[3:])
            else:
                yield Flushed()

    def _lost(self, error: Lost) -> StoreUnavailable:
        self._core.lost(self._address)
        return StoreUnavailable(str(error))


class _Probe(NamedTuple):
    """A probe: `first` is sent once, `payload` each time.

    It has so many `replies`; the first must be 1 and the last name so many `replicas`, if any must.
    """

    first: tuple[tuple[Argument, ...], ...]
    payload: bytes
    replies: int
    replicas: int

    def passed(self, replies: list[Any]) -> bool:
        """Whether these replies are those of a primary that its replicas follow."""
        return not self.first or (replies[0] == 1 and replies[-1] >= self.replicas)


def _probe(core: Core, address: Address) -> _Probe:
    """A probe in a slot that this server holds."""
    topology = core.topology
    held = topology.held_by(address)
    if not held:
        raise Lost("the Redis server of this line serves nothing any more")
    tag = random.choice(held)  # noqa: S311 - not always one whose slot is being moved
    if not core.target.fence:
        return _Probe((), pack([("PERSIST", core.keys.epoch(tag))]), 1, 0)
    key, replicas = core.keys.fence(tag), topology.replicas(tag)
    write = ("EXPIRE", key, _FENCE_KEPT_S)  # needs no memory
    return _Probe(
        (("SET", key, "", "EX", _FENCE_KEPT_S),),
        pack([write, ("WAIT", replicas, _FENCE_MS)]),
        2,
        replicas,
    )
