"""What both faces of one store share, and what they need of their connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from holdfast.stores.redis.keys import Keys, subject_of
from holdfast.stores.redis.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.stores.redis.keys import Subject
    from holdfast.stores.redis.target import Address, Target
    from holdfast.stores.redis.wire import Replies

_PLACES_KEPT = 10_000

DURABLE_WIRES = 8
"""Connections on which durable writes wait for replicas: of each loop, and of all threads."""


class Wires(Protocol):
    """The connections of one face of the store."""

    def send(
        self, address: Address, payload: bytes, count: int, *, seconds: float
    ) -> Awaitable[Replies]:
        """The `count` replies to packed commands, and the server process that gave them.

        Raises:
            Lost: there was no connection, or it broke.
            StoreError: the server refuses us.
        """
        ...

    async def send_durably(
        self, address: Address, payload: bytes, count: int, *, seconds: float
    ) -> Replies:
        """The same over one of a few connections of their own: WAIT holds up all that is behind it."""
        ...

    async def discover(self, seen: int) -> None:
        """`Topology.discover`."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let so much time go by."""
        ...

    def after_fork(self) -> None:
        """Forget the parent's connections."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Core:
    """What both faces of one store share: the target, the map of servers, the salt, who is told of losses.

    `seconds` bounds every call. `salt` is forgotten with each loss, and asked for again.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.seconds = seconds
        self.keys = Keys(target.prefix)
        self.topology = Topology(target, seconds)
        self.salt: bytes | None = None
        self.last_salt: bytes | None = None
        self._places: dict[tuple[str, bytes], Subject] = {}
        self._losses: list[Callable[[], None]] = []
        self.topology.on_replacement(self._forget_salt)

    def place_of(self, subject: str | None, salt: bytes) -> Subject | None:
        """Where a subject's sessions are listed; those that were asked for last are kept."""
        if subject is None:
            return None
        place = self._places.get((subject, salt))
        if place is None:
            if len(self._places) >= _PLACES_KEPT:
                self._places = {}
            place = self._places[subject, salt] = subject_of(subject, salt)
        return place

    def on_loss(self, lost: Callable[[], None]) -> None:
        """Call `lost` when a connection that had worked is gone."""
        self._losses.append(lost)
        self.topology.on_replacement(lost)

    def lost(self, address: Address) -> None:
        """A connection that had worked is gone, and what was behind it may have changed."""
        self.topology.suspect(address)
        self._forget_salt()
        for each in self._losses:
            each()

    def _forget_salt(self) -> None:
        self.salt = None

    def after_fork(self) -> None:
        """Begin anew in a child process."""
        self.topology.after_fork()
