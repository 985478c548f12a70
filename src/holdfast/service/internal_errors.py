"""The last resort: what nobody foresaw is logged, and answered without details (R165)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from holdfast.chain import error_reply
from holdfast.errors import HoldfastError
from holdfast.service.answers import reply_answer

if TYPE_CHECKING:
    from holdfast.chain import Reply
    from holdfast.web.asgi_types import App, Message, Receive, Scope, Send

_log = logging.getLogger("holdfast.service")


def internal_error(what: str) -> Reply:
    """The answer while an exception is handled that is none of ours; it goes into the log."""
    _log.exception("%s failed", what)
    return error_reply(500, "internal_error", "Internal server error")


class InternalErrors:
    """Stands around the chain. A client that went away is no error; ours the chain has answered."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or with 500 if it fails before its answer has begun."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            return
        except HoldfastError:
            raise
        except Exception:
            reply = internal_error(scope["type"])
            if begun or scope["type"] != "http":
                raise
            answer = reply_answer(reply)
            await answer(scope, receive, send)
