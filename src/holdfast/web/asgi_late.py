"""A request whose body is held back counts no longer than its session.

It was judged by its headers. Whoever has a copied cookie could send those, and the rest after the owner
has signed out everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.web.asgi_answer import Answered

if TYPE_CHECKING:
    from holdfast.web.asgi_answer import Answer
    from holdfast.web.asgi_types import Message, Receive
    from holdfast.web.lasting import Proved


def held_to(proved: Proved, answer: Answer, receive: Receive) -> Receive:
    """`receive` for as long as the session lives; then 401, and the application is stopped."""

    async def receive_while_it_lives() -> Message:
        message = await receive()
        if message["type"] != "http.request" or not proved.due():
            return message
        error = await proved.over()
        if error is None:
            return message
        if answer.begun:
            return {"type": "http.disconnect"}
        await answer.fail(error)
        raise Answered

    return receive_while_it_lives
