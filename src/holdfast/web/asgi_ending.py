"""How a request ends: what an application raised or left undone, and what it had open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from holdfast.errors import HoldfastError
from holdfast.web.asgi_answer import Answered

if TYPE_CHECKING:
    from holdfast.web.asgi_answer import Answer
    from holdfast.web.asgi_types import Message, Receive


async def finish(answer: Answer) -> None:
    """The application has returned: let go of what it had open, and of a session left unanswered."""
    await _let_go(answer)
    await answer.abandon()


async def _let_go(answer: Answer) -> int:
    """Let go of what it had open; the code with which that was ended, if it was."""
    if answer.unsure is not None:
        await answer.unsure.settle()
    held = answer.held
    await answer.release()
    return 0 if held is None else held.over


async def settled(answer: Answer, error: BaseException) -> bool:
    """Whether what the application raised is answered; if not, the server must hear of it."""
    over = await _let_go(answer)
    if isinstance(error, asyncio.CancelledError):
        if over:
            here = asyncio.current_task()
            # It may be somebody else who wants it to end.
            return here is None or not here.cancelling()
        if answer.unsure is not None:
            await answer.abandon()
    if not isinstance(error, Exception):
        return False
    ours = _ours(error)
    if ours is not None and not answer.begun:
        await answer.fail(ours)
        return True
    if answer.replaced and _stopped(error):
        return True
    await answer.abandon()
    return False


def listening(answer: Answer, receive: Receive) -> Receive:
    """`receive` for a socket: what the client says after the end does not reach the application."""

    async def receive_while_it_lives() -> Message:
        message = await receive()
        over = answer.held.over if answer.held is not None else 0
        return {"type": "websocket.disconnect", "code": over} if over else message

    return receive_while_it_lives


def _ours(error: Exception) -> HoldfastError | None:
    """The error of ours that this is; where Starlette could not handle one any more, it is the cause."""
    for each in (error, error.__cause__):
        if isinstance(each, HoldfastError):
            return each
    return None


def _stopped(error: BaseException | None) -> bool:
    """Whether it comes of our stopping a stream; of that Starlette makes a ClientDisconnect, Quart a group."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(map(_stopped, group.exceptions))
    return error is not None and (isinstance(error, Answered) or _stopped(error.__context__))
