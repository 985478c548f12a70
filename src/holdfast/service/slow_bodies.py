"""A request body has a time limit: who sends by the byte would hold a request open for ever (P37)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast.chain import Refusal, error_reply
from holdfast.service.answers import reply_answer

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.web.asgi_types import App, Message, Receive, Scope, Send


class BodiesInTime:
    """Stands around the chain. The time runs from when somebody first waits for the body.

    What is waited for after its end, that the client goes, may take as long as it likes.
    """

    def __init__(self, app: App, within: timedelta) -> None:
        self._app = app
        self._within = within.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does; 408 if the body is late and no answer has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, self._in_time(receive), noting)
        except Refusal as refusal:
            if begun:
                raise
            await reply_answer(refusal.reply)(scope, receive, send)

    def _in_time(self, receive: Receive) -> Receive:
        ends_at: float | None = None
        complete = False

        async def received() -> Message:
            nonlocal ends_at, complete
            if complete:
                return await receive()
            if ends_at is None:
                ends_at = asyncio.get_running_loop().time() + self._within
            try:
                async with asyncio.timeout_at(ends_at):
                    message = await receive()
            except TimeoutError:
                raise _too_late() from None
            complete = not message.get("more_body", False)
            return message

        return received


def _too_late() -> Refusal:
    """The connection is closed: what of the body still comes would be taken for a request."""
    close = ("Connection", "close")
    return Refusal(error_reply(408, "request_timeout", "The body did not come in time", close))
