"""An ASGI answer on its way out, as the chain lets it go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.chain import Chain, Reply, Visit
from holdfast.web.asgi_headers import encoded, joined
from holdfast.web.asgi_held import Held, Holding
from holdfast.web.asgi_types import Scope, Send
from holdfast.web.asgi_unsure import Unsure

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from holdfast.errors import HoldfastError
    from holdfast.web.asgi_types import Message, Receive

_POLICY_VIOLATION = 1008
_SWITCHING = 101
_DENIAL = "websocket.http.response"
_BEGINNINGS = frozenset({"http.response.start", "websocket.accept", f"{_DENIAL}.start"})
_LENGTH = frozenset({b"content-length", b"Content-Length"})  # Django's names are no lower case
_SERVER_ERROR = 500


class Answered(OSError):
    """Stops an application that goes on streaming an answer which was replaced.

    Servers raise an `OSError` too when there is nobody to send to: frameworks know what it means.
    """


class Answer(msgspec.Struct, eq=False):
    """Commits at the first message of the answer; `begun` from then on.

    `task` runs the application. `replaced`: the client got another answer, or its session has ended, and
    what the application still sends goes nowhere. `held`: it stays open. `unsure`: it is or was a 500.
    """

    _chain: Chain
    _visit: Visit
    _scope: Scope
    pass_on: Send
    _holding: Holding
    task: asyncio.Task[Any] | None
    begun: bool = False
    replaced: bool = False
    held: Held | None = None
    unsure: Unsure | None = None

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message of the application on, with the chain's headers in the first one."""
        if self.begun:
            return self._swallow(message) if self.replaced else self.pass_on(message)
        if message["type"] not in _BEGINNINGS:
            return self.unsure.keep(message) if self.unsure else self.pass_on(message)
        if message.get("status") == _SERVER_ERROR:
            self.unsure = self.unsure or Unsure(self._sure)
            return self.unsure.keep(message)
        reply = self._chain.commit_at_once(self._visit)
        return self._begin(message) if reply is None else self.pass_on(self._first(message, reply))

    async def _begin(self, message: Message) -> None:
        reply = await self._chain.commit(self._visit, message.get("status", _SWITCHING))
        if reply.status is not None:
            await self.replace(reply)
        elif not self.begun:  # by another answer in its place, meanwhile
            await self.pass_on(self._first(message, reply))

    async def _sure(self, messages: list[Message]) -> None:
        if self.begun:  # by another answer in its place
            return
        await self._begin(messages[0])
        for message in messages[1:]:
            if not self.replaced:
                await self.pass_on(message)
        if not messages[-1].get("more_body", False):
            await self.release()

    async def release(self) -> None:
        """Nothing more comes of what stayed open."""
        held, self.held = self.held, None
        if held is not None:
            await held.release()

    def _first(self, message: Message, reply: Reply) -> Message:
        """The message with which the answer begins, with the chain's headers.

        If it does not say how long the answer is, that may outlive the session.
        """
        self.begun = True
        own = list(message.get("headers", ()))  # ASGI allows what can be gone through only once
        names = dict(own)
        if reply.headers:
            message = {**message, "headers": joined(own, names, reply.headers)}
        elif own:
            message = {**message, "headers": own}
        session = self._visit.session
        if session.record is not None and _LENGTH.isdisjoint(names):
            self.held = self._holding.begun(self, session, message)
        return message

    async def _swallow(self, message: Message) -> None:
        if message.get("more_body", False) or message["type"] == "websocket.send":
            raise Answered

    async def refuse(self, reply: Reply, receive: Receive) -> None:
        """Answer in place of an application that is not even asked."""
        if self._scope["type"] == "websocket":
            await receive()  # the handshake must have been asked for before it is refused
        await self.replace(reply)

    async def replace(self, reply: Reply) -> None:
        """Answer in place of the application, unless an answer has begun meanwhile."""
        if self.begun:
            return
        self.begun = self.replaced = True
        kind = self._kind()
        if kind is None:
            await self.pass_on({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        length = ("Content-Length", str(len(reply.body)))
        headers = encoded([*reply.headers, length])
        body = b"" if self._scope.get("method") == "HEAD" else reply.body
        await self.pass_on({"type": f"{kind}.start", "status": reply.status, "headers": headers})
        await self.pass_on({"type": f"{kind}.body", "body": body})

    async def fail(self, error: HoldfastError) -> None:
        """Answer for an application that raised before it answered."""
        await self.replace(await self._chain.fail(self._visit, error))

    async def abandon(self) -> None:
        """Nothing more comes: send what was kept, or close the session of one that never answered."""
        if self.unsure:
            await self._sure(self.unsure.messages)
            await self.release()
        if not self.begun:
            self.begun = True
            await self._chain.commit(self._visit, 500)

    def _kind(self) -> str | None:
        """The family of messages that can answer; None: only a close can, without a status."""
        if self._scope["type"] == "http":
            return "http.response"
        return _DENIAL if _DENIAL in (self._scope.get("extensions") or {}) else None
