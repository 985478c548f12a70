"""Holdfast for FastAPI: `Holdfast(app)`, and dependencies for handlers.

@app.get("/me")
def me(session: Session = Depends(require)):
    return {"user": session.subject}

All dependencies are coroutines: FastAPI sends plain functions to a thread. Guards say in the
OpenAPI document that they want the session cookie or a bearer token.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from holdfast.assembly import Assembly, assemble
from holdfast.chain import Refusal
from holdfast.rules.local_path import local_path
from holdfast.session import Session
from holdfast.settings import Settings
from holdfast.signed_in import SignedIn
from holdfast.web import asgi
from holdfast.web.applications import require_application
from holdfast.web.fastapi.guards import (
    csrf_token,
    current,
    require,
    require_csrf,
    require_fresh,
    require_role,
    typed,
)
from holdfast.web.fastapi.malformed import answer_malformed
from holdfast.web.fastapi.openapi import name_cookie
from holdfast.web.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.adoption import Adopted
    from holdfast.engine import AsyncSessions

__all__ = [
    "Holdfast",
    "Refusal",
    "Session",
    "SignedIn",
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


_log = logging.getLogger("holdfast")


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
        UsageError: the application has sessions already, or is none of FastAPI.
    """

    def __init__(
        self,
        app: FastAPI,
        settings: Settings | None = None,
        *,
        secret: str | Sequence[str] | None = None,
        store: str | None = None,
        adopt: Adopted | None = None,
        assembly: Assembly | None = None,
    ) -> None:
        require_application(app, FastAPI, lambda: hasattr(app.state, "holdfast"))
        self.assembly = assembly or assemble(
            settings or Settings(), secret=secret, store=store, adopt=adopt
        )
        _tell_of_cors(app)
        app.add_middleware(asgi.HoldfastMiddleware, chain=self.assembly.chain)
        name_cookie(app, self.assembly.settings.cookie.name)
        answer_malformed(app)
        app.state.holdfast = self

    @property
    def sessions(self) -> AsyncSessions:
        """All operations on sessions, as coroutines; for `def` handlers: `assembly.blocking`."""
        return self.assembly.sessions


def _tell_of_cors(app: FastAPI) -> None:
    """One line in the log where refusals would go out without the headers of CORS.

    A page of another origin could not read that it must sign in; its developer sees a network error.
    """
    added: list[object] = [each.cls for each in app.user_middleware]
    if CORSMiddleware in added:
        _log.warning(
            "CORSMiddleware was added before Holdfast(app), so what Holdfast refuses has no CORS"
            " headers, and scripts of other origins cannot read why; add it after Holdfast(app)"
        )
