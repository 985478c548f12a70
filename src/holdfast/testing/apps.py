"""Applications under test: the chain that runs around one, and other parts for it in a test."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.assembly import Assembly, assemble, now_ms
from holdfast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from holdfast.chain import Chain
    from holdfast.protocols import Clock

T = TypeVar("T")


def chain_of(app: Any) -> Chain:
    """The chain of a Flask, FastAPI or Starlette application, or of the ASGI middleware around any.

    Raises:
        UsageError: it has none.
    """
    if _is_middleware(type(app)):
        around: Chain = app.chain
        return around
    if hasattr(app, "test_client"):
        flask: Chain = _extension(app).chain
        return flask
    chain: Chain = _middleware(app).kwargs["chain"]
    return chain


@contextmanager
def isolated(app: Any, *, clock: Clock = now_ms, store: str = "memory://") -> Generator[Assembly]:
    """Run the application on a store of its own, empty, and on this clock; afterwards as before.

    Settings and keys stay the application's. Nothing of a test is left to the next.
    """
    engine = chain_of(app).sessions
    parts = assemble(engine.settings, keys=engine.keys, store=store, clock=clock)
    try:
        with _running_on(app, parts):
            yield parts
    finally:
        parts.close()


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, whether or not the test has an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@contextmanager
def _running_on(app: Any, parts: Assembly) -> Generator[None]:
    restore = _swap_of(app)(app, parts)
    try:
        yield
    finally:
        restore()


def _swap_of(app: Any) -> Callable[[Any, Assembly], Callable[[], None]]:
    if _is_middleware(type(app)):
        return _swap_middleware
    return _swap_flask if hasattr(app, "test_client") else _swap_starlette


def _swap_middleware(app: Any, parts: Assembly) -> Callable[[], None]:
    before = app.chain
    app.chain = parts.chain
    return lambda: setattr(app, "chain", before)


def _swap_flask(app: Any, parts: Assembly) -> Callable[[], None]:
    extension = _extension(app)
    before = extension.assembly
    extension.run_on(parts)
    return lambda: extension.run_on(before)


def _swap_starlette(app: Any, parts: Assembly) -> Callable[[], None]:
    chain, before = chain_of(app), _assembly(app, parts)
    _wrap(app, parts.chain)

    def restore() -> None:
        _wrap(app, chain)
        _assembly(app, before)

    return restore


def _wrap(app: Any, chain: Chain) -> None:
    """Starlette builds its middleware anew when there is none."""
    _middleware(app).kwargs["chain"] = chain
    app.middleware_stack = None


def _assembly(app: Any, parts: Assembly | None) -> Assembly | None:
    """Exchange what handlers find as `Holdfast(app).assembly`; the one before."""
    holdfast = getattr(app.state, "holdfast", None)
    if holdfast is None:
        return None
    before: Assembly = holdfast.assembly
    holdfast.assembly = parts
    return before


def _extension(app: Any) -> Any:
    found = app.extensions.get("holdfast")
    if found is None:
        raise UsageError("this application has no sessions: make them with Holdfast(app)")
    return found


def _middleware(app: Any) -> Any:
    for entry in getattr(app, "user_middleware", ()):
        if "chain" in entry.kwargs and _is_middleware(entry.cls):
            return entry
    raise UsageError("this application has no sessions: make them with Holdfast(app)")


def _is_middleware(cls: Any) -> bool:
    """By its name: what is not installed is not imported."""
    return (cls.__module__, cls.__name__) == ("holdfast.web.asgi", "HoldfastMiddleware")
