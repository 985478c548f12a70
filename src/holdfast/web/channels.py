"""For Django Channels, and any ASGI application beside a project: WebSockets end with their session.

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": HoldfastSockets(AuthMiddlewareStack(URLRouter(routes))),
    }
)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.web import asgi
from holdfast.web.asgi import require, require_fresh, require_role, session_of
from holdfast.web.django import here
from holdfast.web.django.sessions import SessionStore

if TYPE_CHECKING:
    from holdfast.chain import Visit
    from holdfast.engine import AsyncSessions
    from holdfast.session import Session
    from holdfast.web.asgi_types import App, Receive, Scope, Send
    from holdfast.web.django.view import View


__all__ = ["HoldfastSockets", "require", "require_fresh", "require_role", "session_of"]


class HoldfastSockets:
    """The chain around handshakes, by the parts of this project; guards take the consumer.

    `scope["session"]` is the session as `request.session` would be, for who looks for the user there.

    Raises:
        ConfigurationError: at the first handshake: there is no secret, or a setting contradicts another.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._around: asgi.HoldfastMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        chain, around = here.assembly().chain, self._around
        if around is None or around.chain is not chain:  # a test has put others in their place
            self._around = around = asgi.HoldfastMiddleware(self._shown, chain)
        await around(scope, receive, send)

    async def _shown(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit: Visit | None = scope.get("holdfast.visit")
        if visit is not None and not visit.excluded:
            scope["session"] = SessionStore(source=Shaken(visit))
        await self._app(scope, receive, send)


class Shaken:
    """The session of a handshake, which was read with it; who ends it here, ends it at once."""

    alone = True
    view: View | None = None

    def __init__(self, visit: Visit) -> None:
        self.session = visit.session

    @property
    def key(self) -> str | None:
        """The session's public id; None if nothing is stored."""
        return self.session.id

    async def read(self, sessions: AsyncSessions) -> Session:  # noqa: ARG002 - it was read
        """The session."""
        return self.session
