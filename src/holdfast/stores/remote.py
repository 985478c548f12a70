"""What a store behind a network owes the wrappers around it: changes, probes, losses, durability.

A back end implements `Remote` and `Line`, and sets `Reading.node`. It writes no loop: the one in
`holdfast.stores.feed` holds a line to every node open, sends the probes and applies what comes.

A node is one server process, and its name is not an address: a restart, a proxy or a failover can
put another server behind that. A reading is kept only under a line to the very process that
answered it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from holdfast.protocols import AsyncStore, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Durability(NamedTuple):
    """What a durable write that was acknowledged survives.

    `memory`: nothing but the end of the client; `fsynced`: the end of the server and a power cut;
    `replicated`: also the loss of the server, if one of `replicas` others takes over.
    """

    kind: Literal["memory", "fsynced", "replicated"]
    replicas: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.replicas}" if self.kind == "replicated" else self.kind


class Changed(NamedTuple):
    """The record of this id was updated, replaced or removed; touches need not be told."""

    id: str


class Flushed(NamedTuple):
    """Anything of this node may have changed: all sessions ended, or changes were lost count of."""


class Answered(NamedTuple):
    """The probe of this number was answered; all that the node sent before has been returned."""

    serial: int


Happening = Changed | Flushed | Answered


class Line(Protocol):
    """One open connection to one node: it carries the node's changes, and answers to probes.

    It is used by one thread. A change that was made before a probe is sent must come out of
    `receive` no later than the answer to that probe. An answer also says that the node still
    serves the ids that `Remote.line_of` gives this line: where a moved slot does not raise changes
    by itself, the back end asks for the map of slots with the probe. Where writes count only when
    replicas have them (`Remote.fenced`), the probe is such a write, and is answered only if they
    acknowledged it.
    """

    @property
    def node(self) -> str:
        """The server process, as in `Reading.node`."""
        ...

    def probe(self, serial: int) -> None:
        """Send a probe, and do not wait for its answer.

        Raises:
            StoreUnavailable: the connection is lost.
        """
        ...

    def receive(self, timeout: float) -> Sequence[Happening]:
        """What has come, in the order in which the node sent it; nothing after `timeout` seconds.

        Raises:
            StoreUnavailable: the connection is lost.
        """
        ...

    def close(self) -> None:
        """Close the connection; also one that is lost already."""
        ...


class Remote(Protocol):
    """What the two faces of one store say of it. All of it may be asked from any thread.

    What is handed to `on_change` and `on_loss` never blocks and never raises.
    """

    @property
    def fenced(self) -> bool:
        """Whether a probe is answered only by a node whose replicas still follow it."""
        ...

    def lines(self) -> tuple[str, ...]:
        """The names of the lines to hold open now: one for each node that takes writes."""
        ...

    def line_of(self, id: str) -> str:
        """The name of the line that carries the changes of this id; asked at every read."""
        ...

    def dial(self, line: str) -> Line:
        """Open that line, within the store's time limit.

        Raises:
            StoreUnavailable: it cannot be opened now.
        """
        ...

    def on_change(self, moved: Callable[[], None]) -> None:
        """Call `moved` whenever `lines` or `line_of` have begun to answer differently."""
        ...

    def on_loss(self, lost: Callable[[], None]) -> None:
        """Call `lost` when a connection that had worked is gone, or the node is another one.

        The call comes before any verb is answered over the replacement, also where the driver
        would hide a reconnection. What is owed to the store after a loss is said again; so a pool
        that is merely busy is no loss.
        """
        ...

    def durability(self) -> Durability:
        """What a durable write that returns now has proved."""
        ...


class RemoteStore(Store, Protocol):
    """A blocking store behind a network."""

    def raise_epoch(self, epoch: int) -> None:
        """Make the epoch at least `epoch`, durably; it is never lowered."""
        ...


class AsyncRemoteStore(AsyncStore, Protocol):
    """The same for coroutines."""

    async def raise_epoch(self, epoch: int) -> None: ...
