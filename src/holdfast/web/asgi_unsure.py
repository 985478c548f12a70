"""A 500 is kept for a moment: it may be no answer.

A Starlette application that is mounted in another answers 500 to an error that it does not know, such
as one of ours, and then raises it on. The answer to that is another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from holdfast.web.asgi_types import Message

_MOST = 8
"""Messages that are kept; an answer in more pieces goes on its way as it comes."""
_MOMENT_S = 0.25
"""How long a complete answer waits for its error, should work of the application follow it."""


class Unsure:
    """The messages of a 500, until the application returns or raises, or a moment has gone by.

    `go` sends them.
    """

    def __init__(self, go: Callable[[list[Message]], Coroutine[None, None, None]]) -> None:
        self.messages: list[Message] = []
        self._go = go
        self._timer: asyncio.TimerHandle | None = None
        self._going: asyncio.Task[None] | None = None

    async def keep(self, message: Message) -> None:
        """Keep one more."""
        self.messages.append(message)
        if self._timer is not None:
            self._timer.cancel()
        if len(self.messages) > _MOST:
            await self._go(self.messages)
        elif message["type"].endswith(".body") and not message.get("more_body", False):
            self._timer = asyncio.get_running_loop().call_later(_MOMENT_S, self._begin)

    async def settle(self) -> None:
        """Begin no more to send them; if that has begun, wait for its end."""
        if self._timer is not None:
            self._timer.cancel()
        if self._going is not None:
            await self._going

    def _begin(self) -> None:
        self._going = asyncio.get_running_loop().create_task(self._go(self.messages))
