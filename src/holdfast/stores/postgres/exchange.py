"""One statement over one connection: sent, awaited, answered, with a deadline.

`exchange` is the conversation with libpq, as a generator that yields what it waits for; `wait` and
`wait_async` run it in a thread or on an event loop. So both faces say the same to the server. The
statement is sent with its parameters in one message and never prepared: the next one may reach
another server process, if a pooler stands between.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Generator
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format

from holdfast.stores.postgres.errors import Late, Lost, ServerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGconn, PGresult

    from holdfast.stores.postgres.values import Kind, Value

T = TypeVar("T")

READ = select.POLLIN
WRITE = select.POLLOUT

Talk = Generator[int, None, T]
"""A conversation: yields READ, or READ | WRITE, when it has to wait for the socket."""


def query(
    pgconn: PGconn, sql: bytes, values: Sequence[Value], kinds: Sequence[Kind]
) -> Talk[PGresult]:
    """The result of one statement with parameters, in binary.

    Raises:
        ServerError: the server has refused it.
        psycopg.Error: the connection is broken.
    """
    formats = (Format.BINARY,) * len(values)
    pgconn.send_query_params(sql, values, kinds, formats, Format.BINARY)
    return _last((yield from _answers(pgconn)))


def script(pgconn: PGconn, sql: bytes) -> Talk[PGresult]:
    """The last result of several statements without parameters. Raises as `query`."""
    pgconn.send_query(sql)
    return _last((yield from _answers(pgconn)))


def wait(pgconn: PGconn, talk: Talk[T], deadline: float) -> T:
    """What the conversation comes to; blocks until then.

    Raises:
        Late: nothing came until `deadline`, on the clock `time.monotonic`.
    """
    poller = select.poll()
    poller.register(pgconn.socket, READ)
    try:
        wanted = next(talk)
        while True:
            poller.modify(pgconn.socket, wanted)
            if not poller.poll(max(deadline - monotonic(), 0) * 1000) and monotonic() >= deadline:
                raise Late
            wanted = next(talk)
    except StopIteration as done:
        result: T = done.value
        return result


async def wait_async(pgconn: PGconn, talk: Talk[T], deadline: float) -> T:
    """As `wait`, for coroutines."""
    loop = asyncio.get_running_loop()
    try:
        wanted = next(talk)
        while True:
            await _ready(loop, pgconn.socket, wanted, deadline)
            wanted = next(talk)
    except StopIteration as done:
        result: T = done.value
        return result


def is_quiet(pgconn: PGconn) -> bool:
    """Whether an idle connection is as it was left: neither closed nor told good-bye."""
    poller = select.poll()
    with suppress(psycopg.Error):
        poller.register(pgconn.socket, READ)
        if not poller.poll(0):
            return True
        pgconn.consume_input()
        return pgconn.status == ConnStatus.OK and not poller.poll(0)
    return False


async def _ready(
    loop: asyncio.AbstractEventLoop, socket: int, wanted: int, deadline: float
) -> None:
    ready = loop.create_future()
    timer = loop.call_at(loop.time() + deadline - monotonic(), _set, ready, False)  # noqa: FBT003
    loop.add_reader(socket, _set, ready, True)  # noqa: FBT003
    if wanted & WRITE:
        loop.add_writer(socket, _set, ready, True)  # noqa: FBT003
    try:
        if not await ready:
            raise Late
    finally:
        timer.cancel()
        loop.remove_reader(socket)
        if wanted & WRITE:
            loop.remove_writer(socket)


def _set(ready: asyncio.Future[bool], answer: bool) -> None:  # noqa: FBT001 - the outcome
    if not ready.done():
        ready.set_result(answer)


def _answers(pgconn: PGconn) -> Talk[list[PGresult]]:
    while pgconn.flush():
        yield READ | WRITE
        pgconn.consume_input()
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            yield READ
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return results
        results.append(result)


def _last(results: list[PGresult]) -> PGresult:
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise _error(result)
    if not results:
        raise Lost
    return results[-1]


def _error(result: PGresult) -> ServerError:
    def field(code: DiagnosticField) -> str:
        return (result.error_field(code) or b"").decode("ascii", "replace")

    return ServerError(field(DiagnosticField.SQLSTATE), field(DiagnosticField.MESSAGE_PRIMARY))
