"""A request leaves nothing behind that only the garbage collector could undo."""

import asyncio
import gc

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from holdfast.session import Session
from holdfast.web import asgi

HOST = (b"host", b"app.example.org")


class Cycle:
    """As in uvicorn: it owns the scope, and `receive` and `send` are methods of it."""

    def __init__(self, method, headers):
        self.scope = {
            "type": "http", "method": method, "path": "/", "scheme": "https", "query_string": b"",
            "client": ("203.0.113.7", 1), "headers": [HOST, *headers],
        }  # fmt: skip
        self.status = None

    async def receive(self):
        return {"type": "http.request", "body": b"csrf_token=x", "more_body": False}

    async def send(self, message):
        self.status = message.get("status", self.status)


async def page(request):
    return JSONResponse({"subject": asgi.session_of(request).subject})


@pytest.fixture
def application(parts):
    route = Route("/", page, methods=["GET", "POST"])
    chain = Middleware(asgi.HoldfastMiddleware, chain=parts.assembly.chain)
    return Starlette(routes=[route], middleware=[chain])


@pytest.fixture
def cookie(parts):
    session = Session()
    parts.assembly.blocking.sign_in(session, "ada")
    return (b"cookie", f"__Host-session={session.cookie}".encode())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_circle_remains(application, cookie, method):
    """The record, the cookie and the body go with the request, and not some collections later."""
    headers = [cookie] if method == "GET" else []

    async def visit():
        for _ in range(3):  # the first requests fill caches
            cycle = Cycle(method, headers)
            await application(cycle.scope, cycle.receive, cycle.send)
            status = cycle.status
            gc.collect()
        gc.disable()
        try:
            cycle = Cycle(method, headers)
            await application(cycle.scope, cycle.receive, cycle.send)
            del cycle
            return status, gc.collect()
        finally:
            gc.enable()

    assert asyncio.run(visit()) == (200, 0)
