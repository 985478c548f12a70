"""Applications under test: the chain that runs around one, and other parts for it in a test."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.assembly import Assembly, assemble, now_ms
from holdfast.errors import UsageError
from holdfast.testing import django

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterator

    from holdfast.chain import Chain
    from holdfast.protocols import Clock

T = TypeVar("T")
_NONE = (
    "this application has no sessions: make them with Holdfast(app); of Litestar, Quart or another"
    " ASGI framework, hand over the HoldfastMiddleware around it (in Quart app.asgi_app)"
)


def chain_of(app: Any) -> Chain:
    """The chain of an application: Flask, FastAPI, Starlette, Django, or the middleware around any.

    Raises:
        UsageError: it has none.
    """
    if isinstance(app, Assembly):
        return app.chain
    if django.is_project(app):
        return django.parts().chain
    chain: Chain
    if _is_middleware(type(app)):
        chain = app.chain
    elif hasattr(app, "test_client"):
        chain = _extension(app).chain
    else:
        chain = _middleware(app).kwargs["chain"]
    return chain


@contextmanager
def isolated(app: Any, *, clock: Clock = now_ms, store: str = "memory://") -> Generator[Assembly]:
    """Run the application on a store of its own, empty, and on this clock; afterwards as before.

    Settings and keys stay the application's. Also what handlers got hold of when the application
    was made, its engine for example, works on that store. An `Assembly` can stand for the
    application that it belongs to. Nothing of a test is left to the next.
    """
    engine = chain_of(app).sessions
    parts = assemble(engine.settings, keys=engine.keys, store=store, clock=clock)
    try:
        with ExitStack() as until_the_end:
            for part, other in _pairs(app, parts):
                until_the_end.enter_context(_standing_in(part, other))
            yield parts
    finally:
        parts.close()


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, whether or not the test has an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _pairs(app: Any, parts: Assembly) -> Iterator[tuple[Any, Any]]:
    """Each part of the application, and the one that is to stand in for it."""
    own = _assembly(app)
    if own is None:
        chain = chain_of(app)
        yield chain.sessions, parts.sessions
        yield chain, parts.chain
        return
    yield own.sessions, parts.sessions
    yield own.blocking.engine, parts.blocking.engine
    yield own.blocking, parts.blocking
    yield own.chain, parts.chain
    yield own.blocking_chain, parts.blocking_chain


@contextmanager
def _standing_in(part: Any, other: Any) -> Generator[None]:
    """Everybody who holds `part` finds `other` in it: references may be anywhere, its state not."""
    held: dict[str, Any] = part.__dict__
    before = dict(held)
    held.update(other.__dict__)
    try:
        yield
    finally:
        held.clear()
        held.update(before)


def _assembly(app: Any) -> Assembly | None:
    """The parts of an application; None if only its chain is known."""
    if isinstance(app, Assembly):
        return app
    if django.is_project(app):
        return django.parts()
    if hasattr(app, "test_client"):
        holdfast = _extension(app)
    else:
        holdfast = getattr(getattr(app, "state", None), "holdfast", None)
    found: Assembly | None = getattr(holdfast, "assembly", None)
    return found


def _extension(app: Any) -> Any:
    found = app.extensions.get("holdfast")
    if found is None:
        raise UsageError(_NONE)
    return found


def _middleware(app: Any) -> Any:
    for entry in getattr(app, "user_middleware", ()):
        if "chain" in entry.kwargs and _is_middleware(entry.cls):
            return entry
    raise UsageError(_NONE)


def _is_middleware(cls: Any) -> bool:
    """By its name: what is not installed is not imported."""
    return (cls.__module__, cls.__name__) == ("holdfast.web.asgi", "HoldfastMiddleware")
