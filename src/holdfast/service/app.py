"""The application: routes by topic, inside the chain, inside what every answer needs."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from holdfast.chain import error_reply
from holdfast.service import (
    backend,
    browser_routes,
    environment,
    forward_auth,
    health,
    introspection,
    openapi,
    parent_watch,
    session_routes,
    token_routes,
)
from holdfast.service.answers import reply_answer
from holdfast.service.audit_output import AuditOutput
from holdfast.service.building import build
from holdfast.service.forward_auth import ForwardAuth
from holdfast.service.headers import SecurityHeaders
from holdfast.service.internal_errors import InternalErrors
from holdfast.service.metrics import Measured
from holdfast.service.metrics import route as metrics_route
from holdfast.service.page_errors import PageErrors
from holdfast.service.pages import Pages
from holdfast.service.slow_bodies import BodiesInTime
from holdfast.web.asgi import HoldfastMiddleware

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from holdfast.service.connection import Answer
    from holdfast.service.context import ServiceContext
    from holdfast.web.asgi_types import App, Receive, Scope, Send

_CODES = {
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
}


def from_environment() -> App:
    """The application of one worker, from the variables that `holdfast serve` has set."""
    configuration = environment.load(os.environ)
    parent_watch.start()
    output = AuditOutput(sys.stdout)
    app = create_app(build(configuration, audit=[output]))
    gc.collect()
    gc.freeze()  # what is there now stays, and need not be looked through with every collection
    return app


def create_app(context: ServiceContext) -> App:
    """The application over these parts, which it closes when it shuts down."""
    pages = Pages(context)
    routes: list[BaseRoute] = [*_routes(context), *pages.routes]
    app = Starlette(
        routes=routes,
        middleware=[
            *_measuring(context, routes),
            Middleware(PageErrors, templates=pages.templates),
            Middleware(InternalErrors),
            Middleware(BodiesInTime, within=context.options.body_timeout),
            Middleware(HoldfastMiddleware, chain=context.assembly.chain),
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=_lifespan,
    )
    app.router.redirect_slashes = False
    app.state.context = context
    security = SecurityHeaders(
        app,
        https=context.assembly.settings.cookie.secure,
        return_hosts=context.options.return_hosts,
    )
    return Service(security, ForwardAuth(context, security))


def _routes(context: ServiceContext) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        *(backend.ROUTES if context.service_keys else ()),
        *token_routes.ROUTES,
        *browser_routes.ROUTES,
        *session_routes.ROUTES,
        *health.ROUTES,
    ]
    if context.options.introspection_key:
        routes += introspection.ROUTES
    if context.show_docs:
        routes += openapi.ROUTES
    return routes


class Service:
    """The application, with the questions of proxies ahead of it: they come with every request."""

    def __init__(self, app: App, questions: ForwardAuth) -> None:
        self._app = app
        self._questions = questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        asked = scope["type"] == "http" and forward_auth.asked_of(scope["path"])
        await (self._questions if asked else self._app)(scope, receive, send)

    def at_once(self, scope: Scope) -> Answer | None:
        """The answer to a question, if nothing must be waited for; None: call this."""
        asked = forward_auth.asked_of(scope["path"])
        return self._questions.at_once(scope) if asked else None


def _measuring(context: ServiceContext, routes: list[BaseRoute]) -> list[Middleware]:
    """What counts requests, and the path that tells, if metrics are on."""
    metrics = context.metrics
    if metrics is None:
        return []
    routes.append(metrics_route(metrics, context.options.metrics_key))
    return [Middleware(Measured, metrics=metrics, routes=routes)]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncGenerator[None]:
    context: ServiceContext = app.state.context
    context.assembly.background.start()
    yield
    context.close()


async def _http_error(_request: Request, error: Exception) -> Response:
    """What the router refuses, as JSON; 405 names the methods that there are."""
    refused = error if isinstance(error, HTTPException) else HTTPException(500)
    code, message = _CODES.get(refused.status_code, ("bad_request", "Bad request"))
    headers = (refused.headers or {}).items()
    return reply_answer(error_reply(refused.status_code, code, message, *headers))
