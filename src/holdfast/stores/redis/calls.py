"""What a verb asks of the servers, and how the answers come together.

No input or output happens here: `Work` says what to send where, and takes what came back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.errors import StoreUnavailable
from holdfast.stores.redis.answers import text
from holdfast.stores.redis.errors import Split, new_place, store_error, verdict
from holdfast.stores.redis.wire import Argument, ReplyError, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.stores.redis.errors import Verdict
    from holdfast.stores.redis.scripts import Script
    from holdfast.stores.redis.target import Address
    from holdfast.stores.redis.topology import Topology

_MOST_HOPS = 8


class Call(NamedTuple):
    """One command in the slot of `tag`: that of a script with these arguments, or as it stands.

    A `durable` one counts only when the replicas have acknowledged it. A `safe` one may be sent
    again when nobody knows whether it was carried out. `read` makes something of the reply to a command
    that is no script. A `hasty` one does not wait for the end of a move that has its keys on two nodes.
    """

    tag: str
    script: Script | None
    arguments: tuple[Argument, ...]
    durable: bool = False
    safe: bool = False
    read: Callable[[Any], Any] = text
    hasty: bool = False

    def value(self, reply: Any) -> Any:
        """What the reply says.

        Raises:
            StoreUnavailable: nothing that an answer to this call can be.
        """
        return (self.read if self.script is None else self.script.read)(reply)

    def command(self, *, in_full: bool = False) -> Sequence[Argument]:
        """The command; `in_full` sends the text of the script along."""
        if self.script is None:
            return self.arguments
        if in_full:
            return ("EVAL", self.script.text, *self.arguments)
        return ("EVALSHA", self.script.sha, *self.arguments)


class Answer(NamedTuple):
    """What the reply to a call says, and the server process that gave it.

    If several had a part, as where one sent us on to another, they are `nodes`, and `node` is empty.
    """

    value: Any
    node: str
    nodes: tuple[str, ...] = ()

    def beside(self, other: Answer) -> Answer:
        """The same, where the other answer had a part in it."""
        both = (self.nodes or (self.node,)) + (other.nodes or (other.node,))
        nodes = tuple(dict.fromkeys(both))
        return self if len(nodes) == 1 else Answer(self.value, "", nodes)


class Batch(NamedTuple):
    """Commands for one server that go out together.

    `origin` has for each reply the number of the call that it answers, and None for those that
    answer none. The last reply of a durable batch that needs `replicas` is that of WAIT.
    """

    address: Address
    payload: bytes
    origin: tuple[int | None, ...]
    durable: bool
    replicas: int


class Work:
    """Calls on their way. `open` are the numbers of those without an answer.

    `proved` tells whether the replicas have acknowledged all that is durable; `refusal` is what a
    server wants us to wait for. `split`: only for the end of a move that has keys on two nodes;
    `stale`: somebody else serves the slot now.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.answers: list[Answer | None] = [None] * len(calls)
        self.open = list(range(len(calls)))
        self.proved = True
        self.split = self.stale = False
        self.refusal: ReplyError | None = None
        self._in_full: set[int] = set()
        self._asking: dict[int, Address] = {}
        self._senders: dict[int, str] = {}
        self._hops = 0

    @property
    def safe(self) -> bool:
        """Whether all open calls may be sent again without harm."""
        return all(self.calls[number].safe for number in self.open)

    def batches(self, topology: Topology, wait_ms: int) -> list[Batch]:
        """What to send now, one batch a server; `wait_ms` bounds the wait for replicas."""
        groups: dict[tuple[Address, bool], list[int]] = {}
        for number in self.open:
            call = self.calls[number]
            address = self._asking.get(number) or topology.address(call.tag)
            groups.setdefault((address, call.durable), []).append(number)
        self.split = self.stale = False
        self.refusal = None
        return [
            self._batch(address, numbers, topology if durable else None, wait_ms)
            for (address, durable), numbers in groups.items()
        ]

    def absorb(self, batch: Batch, replies: list[Any], node: str, topology: Topology) -> None:
        """Take the replies to a batch.

        Raises:
            StoreError: one of them is no answer, or a refusal that trying again does not change.
            `Split` where a call is hasty.
        """
        acknowledged = replies.pop() if batch.replicas else 0
        for number, reply in zip(batch.origin, replies, strict=True):
            if number is None:
                continue
            if isinstance(reply, ReplyError):
                self._refused(number, reply, batch.address, topology)
                self._senders[number] = node if number in self._asking else ""
            else:
                self.answers[number] = self._answer(number, reply, node)
                self.proved &= isinstance(acknowledged, int) and acknowledged >= batch.replicas
        self.open = [number for number in self.open if self.answers[number] is None]

    def _answer(self, number: int, reply: Any, node: str) -> Answer:
        value, sender = self.calls[number].value(reply), self._senders.get(number)
        return Answer(value, "", (sender, node)) if sender else Answer(value, node)

    def _batch(
        self, address: Address, numbers: list[int], durable: Topology | None, wait_ms: int
    ) -> Batch:
        commands: list[Sequence[Argument]] = []
        origin: list[int | None] = []
        for number in numbers:
            if self._asking.pop(number, None):
                commands.append(("ASKING",))
                origin.append(None)
            commands.append(self.calls[number].command(in_full=number in self._in_full))
            origin.append(number)
        replicas = max(durable.replicas(self.calls[each].tag) for each in numbers) if durable else 0
        if replicas:
            commands.append(("WAIT", replicas, wait_ms))
        return Batch(address, pack(commands), tuple(origin), durable is not None, replicas)

    def _refused(
        self, number: int, reply: ReplyError, address: Address, topology: Topology
    ) -> None:
        """What to do next about a call that was refused, and so not carried out."""
        what = verdict(reply)
        if what in {"moved", "ask"} and topology.target.kind != "cluster":
            what = "final"  # or our password would go wherever this server says
        self._hops += 1
        if what == "final" or self._hops > _MOST_HOPS * len(self.calls):
            raise store_error(reply) from reply
        if what == "text":
            self._in_full.add(number)
        elif what in {"moved", "ask"}:
            slot, place = new_place(reply, address)
            if what == "moved":
                topology.move(slot, place)
            else:
                self._asking[number] = place
        elif what == "split" and self.calls[number].hasty:
            raise Split(str(store_error(reply))) from reply
        else:
            self._wait(reply, what)

    def _wait(self, reply: ReplyError, what: Verdict) -> None:
        """Note what is to be waited for, which has its own bound: the way begins anew."""
        self._hops = 0
        self.split = what == "split" and (self.refusal is None or self.split)
        self.stale |= what == "resolve"
        self.refusal = reply


def unavailable(error: Exception) -> StoreUnavailable:
    """The error to raise `from` a connection that broke or never came to be."""
    return StoreUnavailable(str(error))
