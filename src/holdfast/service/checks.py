"""Runs password checks beside the event loop, a few at a time, with a bound on who waits.

A check costs tens of milliseconds of a core and as many megabytes. Without these bounds a flood of
sign-ins would take both away from all other requests.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from holdfast.chain import Refusal, error_reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

T = TypeVar("T")


class Checks:
    """At most `threads` checks at once and `queue` waiting, each for at most `timeout` seconds."""

    def __init__(self, *, threads: int, queue: int, timeout: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="holdfast-check")
        self._free = asyncio.Semaphore(threads)
        self._queue = queue
        self._timeout = timeout
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for one's turn.

        Raises:
            Refusal: 503, too many wait already or it took too long.
        """
        if self._waiting >= self._queue:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    async def run(self, check: Callable[[], T]) -> T:
        """The result of `check`, which runs in a thread.

        Raises:
            Refusal: 503, it took too long; the thread is not stopped, its result is dropped.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._pool, check)
        except TimeoutError:
            raise _busy() from None

    def close(self) -> None:
        """Start no further checks."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _busy() -> Refusal:
    return Refusal(error_reply(503, "sign_in_busy", "Service unavailable", ("Retry-After", "1")))
