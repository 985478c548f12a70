"""How a request ends: what an application raised or left undone, and what it had open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from holdfast.errors import HoldfastError
from holdfast.web.asgi_answer import Answered

if TYPE_CHECKING:
    from holdfast.web.asgi_answer import Answer


async def finish(answer: Answer) -> None:
    """The application has returned: let go of what it had open, and of a session left unanswered."""
    if answer.held is not None:
        await answer.held.release()
    await answer.abandon()


async def settled(answer: Answer, error: BaseException) -> bool:
    """Whether what the application raised is answered; if not, the server must hear of it."""
    if answer.held is not None:
        await answer.held.release()
        if answer.held.over and isinstance(error, asyncio.CancelledError):
            return True
    if not isinstance(error, Exception):
        return False
    if isinstance(error, HoldfastError) and not answer.begun:
        await answer.fail(error)
        return True
    if answer.replaced and _stopped(error):
        return True
    await answer.abandon()
    return False


def _stopped(error: BaseException | None) -> bool:
    """Whether it comes of our stopping a stream; of that Starlette makes a ClientDisconnect, Quart a group."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(map(_stopped, group.exceptions))
    return error is not None and (isinstance(error, Answered) or _stopped(error.__context__))
