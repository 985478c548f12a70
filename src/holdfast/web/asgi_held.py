"""Sockets and streams that stay open, and how each is ended.

They are judged once and may stay open for days. So what a signed-in session has open is handed to a
keeper, see `holdfast.web.asgi_keeper`, which ends it when the session ends.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from holdfast.web.asgi_keeper import Keeper
from holdfast.web.lasting import EVENTS, signed_in

if TYPE_CHECKING:
    from holdfast.chain import Chain
    from holdfast.session import Session
    from holdfast.web.asgi_answer import Answer
    from holdfast.web.asgi_types import Message

ENDED, UNKNOWN = 4401, 1013
"""Close codes: the session has ended; for too long the store could not say whether it has."""

_REASONS = {ENDED: "the session has ended", UNKNOWN: "try again later"}
_PATIENCE = 5.0
"""Seconds that a client may take to accept the end, and an application to notice it."""
_SETTLED = 0.1
"""Seconds that an application may take to end when what sends is stopped."""
_EVENTS = EVENTS.encode()
_NO_BODY = {204, 304}
_log = logging.getLogger("holdfast")


class Holding:
    """What is open in one middleware; each event loop that has something open has a keeper."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._keepers: dict[asyncio.AbstractEventLoop, Keeper] = {}

    def begun(self, answer: Answer, session: Session, message: Message) -> Held | None:
        """What begins with this message; None: it does not stay open, or nobody is signed in."""
        id = signed_in(session)
        if id is None or not _stays_open(message):
            return None
        held = Held(answer, session, self.keeper(), id, message)
        held.keeper.add(held)
        return held

    def keeper(self) -> Keeper:
        """That of the event loop that runs."""
        loop = asyncio.get_running_loop()
        keeper = self._keepers.get(loop)
        if keeper is None:
            keeper = Keeper(self.chain, at_end=lambda: self._keepers.pop(loop, None))
            self._keepers[loop] = keeper
        return keeper


class Held:
    """One open socket or stream; `over` is the code with which it was ended, 0 while it is open.

    It is begun by the task that sends. Where that ends most applications end; Quart waits for its client,
    too, so that its own task has to be stopped.
    """

    __slots__ = (
        "_answer", "_cancelled", "_socket", "_task", "events", "id", "keeper", "over", "session",
    )  # fmt: skip

    def __init__(
        self, answer: Answer, session: Session, keeper: Keeper, id: str, message: Message
    ) -> None:
        self.id = id
        self.session = session
        self.keeper = keeper
        self.over = 0
        self._answer = answer
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._socket = message["type"] == "websocket.accept"
        self.events = any(
            name.lower() == b"content-type" and value.startswith(_EVENTS)
            for name, value in message.get("headers", ())
        )
        self._task = asyncio.current_task()

    def end(self, *, known: bool) -> None:
        """Let nothing more through, and close it; not `known`: nobody can say whether it must end."""
        self.over = ENDED if known else UNKNOWN
        self._answer.replaced = True
        self.keeper.spawn(self._close() if self._socket else self._stop())

    async def release(self) -> None:
        """The application is done with it.

        A stream that was ended has no last message. One of events gets it, and its client comes back
        to be judged anew. Any other is cut off by the server, so that nobody takes a part for all.
        """
        self.keeper.drop(self)
        self._task = None
        here = asyncio.current_task()
        if here is not None and here in self._cancelled and here.uncancel():
            raise asyncio.CancelledError  # somebody else wants it to end as well
        if self.over and self.events:
            await self._pass_on({"type": "http.response.body", "body": b""})

    async def _stop(self) -> None:
        """Stop what sends, and then the application, if it goes on without that."""
        whole = self._answer.task
        for task in dict.fromkeys((self._task, whole)):
            if task is None or whole is None or self._task is None:
                return
            self._cancelled.add(task)
            task.cancel()
            await asyncio.wait({whole}, timeout=_SETTLED)

    async def _close(self) -> None:
        """Close the socket. An application that does not notice that its client has gone is stopped."""
        message = {"type": "websocket.close", "code": self.over, "reason": _REASONS[self.over]}
        await asyncio.gather(self._pass_on(message), self._noticed())
        await self._stop()

    async def _noticed(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_PATIENCE)

    async def _pass_on(self, message: Message) -> None:
        """A client that reads nothing is not waited for."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._answer.pass_on(message)
        except Exception as error:  # noqa: BLE001 - it took too long, or the client has just gone
            _log.info("the end of a session did not reach its client: %r", error)


def _stays_open(message: Message) -> bool:
    """Whether it is a socket, or an answer with a body."""
    kind: str = message["type"]
    if kind == "http.response.start":
        return message["status"] not in _NO_BODY
    return kind == "websocket.accept"
