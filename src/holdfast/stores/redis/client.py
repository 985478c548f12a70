"""How a verb's calls get to the servers and back: once, for threads and event loops alike.

The coroutines here await nothing but `Wires`. Those for threads are async in shape only.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.errors import NotDurable, StoreError, StoreUnavailable
from holdfast.stores.redis.calls import Answer, Call, Work
from holdfast.stores.redis.errors import Late, Lost, Unknown, store_error
from holdfast.stores.redis.reads import PackedCalls
from holdfast.stores.redis.wire import ReplyError, pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from holdfast.stores.redis.core import Core, Wires
    from holdfast.stores.redis.wire import Replies

_PATIENCE_S = 1.0
"""Seconds that a call waits for a server that is loading, or for a new primary."""
_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.2


class Done(NamedTuple):
    """The answers to some calls, and whether the replicas have acknowledged all that is durable."""

    answers: list[Answer]
    proved: bool

    @property
    def values(self) -> list[Any]:
        """The replies alone."""
        return [answer.value for answer in self.answers]


class Client:
    """Carries out calls over the connections of one face."""

    def __init__(self, core: Core, wires: Wires) -> None:
        self.core = core
        self.keys = core.keys
        self.wires = wires
        self.packed = PackedCalls(core.keys)

    async def value(self, call: Call) -> Any:
        """What the reply to one call says. Raises as `exchange`."""
        return (await self.ask(call)).value

    async def values(self, calls: Sequence[Call]) -> list[Any]:
        """What the replies to some calls say. Raises as `exchange`."""
        done = await self.carry_out(calls)
        require_proved(done.proved)
        return done.values

    async def ask(self, call: Call) -> Answer:
        """The answer to one call. Raises as `exchange`."""
        if not call.durable:
            packed = pack((call.command(),))
            found = await self.at_once(call.tag, packed, safe=call.safe)
            if found is not None:
                return Answer(call.value(found[0]), found[1])
        return await self.ask_again(call)

    async def ask_again(self, call: Call) -> Answer:
        """The same where `at_once` gave none, or must not be tried."""
        return (await self.exchange((call,)))[0]

    async def at_once(self, tag: str, packed: bytes, *, safe: bool) -> tuple[Any, str] | None:
        """The reply to one packed command and who gave it, nearly always; None: `exchange` it instead.

        Raises:
            StoreUnavailable: as `exchange`.
        """
        try:
            (reply,), node = await self.send(tag, packed)
        except Lost as error:
            self.require_hope(error, safe=safe)
            return None
        return None if isinstance(reply, ReplyError) else (reply, node)

    def send(self, tag: str, packed: bytes) -> Awaitable[Replies]:
        """The reply to one packed command, which may be a refusal.

        Raises, at once or when awaited:
            Lost: there was no connection, or it broke.
        """
        core = self.core
        address = core.topology.homes.get(tag)
        if address is None:
            raise Unknown
        return self.wires.send(address, packed, 1, seconds=core.seconds)

    def require_hope(self, error: Lost, *, safe: bool) -> None:
        """Accept a loss after which the same may be sent again, as what is `safe` may.

        Raises:
            StoreUnavailable: nothing may be sent again, or there is nowhere to send it.
        """
        if self._hopeless(error, safe=safe):
            raise StoreUnavailable(str(error)) from error

    async def exchange(self, calls: Sequence[Call]) -> list[Answer]:
        """The answers to some calls, each of which was carried out once.

        Raises:
            NotDurable: all was carried out, and the replicas have not acknowledged it in time.
            StoreUnavailable: a server gives no answer; nobody knows what was carried out.
            StoreCorrupt: a server refuses what was asked.
        """
        done = await self.carry_out(calls)
        require_proved(done.proved)
        return done.answers

    async def carry_out(self, calls: Sequence[Call]) -> Done:
        """As `exchange`, for a verb that goes on if something is not proved, and says so at its end."""
        work, started, pause = Work(calls), time.monotonic(), _PAUSE_S
        while work.open:
            looks, left = self.core.topology.looks, self.core.seconds - time.monotonic() + started
            if left <= 0:  # a search for the servers took all of it
                raise StoreUnavailable("the Redis servers did not answer in time")
            error = await self._round(work, left)
            if error is None and work.refusal is None:
                continue
            moment = pause * random.uniform(0.5, 1)  # noqa: S311 - out of step
            if time.monotonic() - started + moment > self._patience(work, error):
                raise _final(work, error)
            await self.wires.pause(moment)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            if error is not None or work.stale:
                with suppress(Lost):
                    await self.wires.discover(looks)
        return Done([answer for answer in work.answers if answer is not None], work.proved)

    async def _round(self, work: Work, seconds: float) -> Lost | None:
        """Send what is open, and take what comes back; a loss after which it may be sent again."""
        topology, wires = self.core.topology, self.wires
        try:
            if not topology.known:
                await wires.discover(topology.looks)
            for batch in work.batches(topology, max(int(seconds * 500), 1)):
                count = len(batch.origin) + (batch.replicas > 0)
                send = wires.send_durably if batch.durable else wires.send
                replies, node = await send(batch.address, batch.payload, count, seconds=seconds)
                work.absorb(batch, replies, node, topology)
        except Lost as error:
            self.require_hope(error, safe=work.safe)
            return error
        return None

    def _patience(self, work: Work, error: Lost | None) -> float:
        """Seconds that may go by: all there are for a slot that is moved key by key, which goes on."""
        if work.split and error is None:
            return self.core.seconds
        return min(_PATIENCE_S, self.core.seconds / 2)

    def _hopeless(self, error: Lost, *, safe: bool) -> bool:
        """Whether nothing may be sent again after this loss, or there is nowhere to send it."""
        if isinstance(error, Unknown):
            return False
        if isinstance(error, Late):
            return True
        if error.sent:
            return not safe
        return self.core.target.kind == "single"


def require_proved(
    proved: bool,  # noqa: FBT001 - one word, one meaning
    ended: tuple[str, ...] = (),
    epoch: int | None = None,
) -> None:
    """Raise `NotDurable` unless the replicas have acknowledged what was done, such as the end of these."""
    if not proved:
        raise NotDurable(
            "it is done, but too few replicas have acknowledged it; try again", ended, epoch
        )


def _final(work: Work, error: Lost | None) -> StoreError:
    if work.refusal is None or error is not None:
        return StoreUnavailable(str(error))
    final = store_error(work.refusal)
    final.__cause__ = work.refusal
    return final
