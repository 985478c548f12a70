"""Holdfast for FastAPI: `Holdfast(app)`, and dependencies for handlers.

@app.get("/me")
def me(session: Session = Depends(require)):
    return {"user": session.subject}

All dependencies are coroutines: FastAPI sends plain functions to a thread. Guards say in the
OpenAPI document that they want the session cookie or a bearer token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from holdfast.adoption import Adopted
from holdfast.assembly import Assembly, assemble
from holdfast.chain import Refusal
from holdfast.errors import UsageError
from holdfast.rules.local_path import local_path
from holdfast.session import Session
from holdfast.settings import Settings
from holdfast.web import asgi
from holdfast.web.fastapi.guards import (
    csrf_token,
    current,
    require,
    require_csrf,
    require_fresh,
    require_role,
    typed,
)
from holdfast.web.fastapi.openapi import name_cookie
from holdfast.web.typed import Typed

if TYPE_CHECKING:
    from holdfast.engine import AsyncSessions

__all__ = [
    "Holdfast",
    "Refusal",
    "Session",
    "Typed",
    "csrf_token",
    "current",
    "local_path",
    "require",
    "require_csrf",
    "require_fresh",
    "require_role",
    "typed",
]


class Holdfast:
    """Sessions for a FastAPI application, from `HOLDFAST_SECRET` and `HOLDFAST_STORE` by default.

    Args:
        app: the application; the middleware is added to it.
        settings: defaults to `Settings()`.
        secret: the master secret; a list, newest first, while it is being rotated.
        store: a store URL; the default is SQLite in the working directory.
        adopt: another library whose live sessions become ours, such as starsessions; see
            `holdfast.adoption`.
        assembly: parts that were put together elsewhere, in place of the four above.

    `sessions` is the engine for code outside requests, `assembly` holds the parts.

    Raises:
        ConfigurationError: there is no secret, or a setting contradicts another.
        UsageError: the application has sessions already.
    """

    def __init__(
        self,
        app: FastAPI,
        settings: Settings | None = None,
        *,
        secret: str | list[str] | None = None,
        store: str | None = None,
        adopt: Adopted | None = None,
        assembly: Assembly | None = None,
    ) -> None:
        if hasattr(app.state, "holdfast"):
            raise UsageError("Holdfast(app): this application has sessions already; call it once")
        self.assembly = assembly or assemble(
            settings or Settings(), secret=secret, store=store, adopt=adopt
        )
        app.add_middleware(asgi.HoldfastMiddleware, chain=self.assembly.chain)
        name_cookie(app, self.assembly.settings.cookie.name)
        app.state.holdfast = self

    @property
    def sessions(self) -> AsyncSessions:
        """All operations on sessions, as coroutines; for `def` handlers: `assembly.blocking`."""
        return self.assembly.sessions
