"""What load balancers and verifiers ask for: liveness, readiness, public keys."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.service.answers import json_answer
from holdfast.service.context import context_of


async def alive(_request: Request) -> Response:
    """The process answers; the store is not asked, so that its outage restarts nobody."""
    return json_answer({"status": "ok"})


async def ready(request: Request) -> Response:
    """The store answers and takes writes; otherwise 503, from the `StoreError` that comes out here.

    Of a store behind a network it also says what an acknowledged revocation survives.
    """
    context = context_of(request)
    await context.readiness.prove()
    wrapped = context.assembly.wrapped
    outlook = None if wrapped is None else wrapped.standing.latest
    durability = {} if outlook is None else {"durability": str(outlook.durability)}
    return json_answer({"status": "ready", **durability})


async def jwks(request: Request) -> Response:
    """The public keys of access tokens; none while tokens are symmetric (R105)."""
    keys = context_of(request).sessions.keys.jwks()
    return json_answer(keys, Cache_Control="public, max-age=300")


ROUTES = (
    Route("/healthz", alive),
    Route("/readyz", ready),
    Route("/.well-known/jwks.json", jwks),
)
