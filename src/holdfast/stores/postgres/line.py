"""The connection that carries changes: LISTEN, and probes that are a NOTIFY to itself.

Notifications come in the order of the commits. So when the probe is back, everything that was
committed before it has been received.
"""

from __future__ import annotations

import os
import select
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

import psycopg

from holdfast.errors import StoreUnavailable
from holdfast.stores.postgres import exchange
from holdfast.stores.postgres.errors import store_error
from holdfast.stores.postgres.values import Kind, Rows
from holdfast.stores.remote import Answered, Changed, Flushed

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from psycopg.pq.abc import PGconn, PGresult

    from holdfast.stores.postgres.dialling import Server
    from holdfast.stores.postgres.exchange import Talk
    from holdfast.stores.postgres.schema import Schema
    from holdfast.stores.remote import Happening

_PROBE = b"SELECT pg_notify($1, $2)"
_POOLED = (
    "changes do not arrive: LISTEN needs a connection of its own, not one of a transaction pooler;"
    " set listen_url"
)


class PostgresLine:
    """A `holdfast.stores.remote.Line` to one server; ready when it is made.

    Raises:
        StoreUnavailable: the server cannot be reached, or changes do not arrive from it.
    """

    def __init__(self, server: Server, schema: Schema, timeout: float) -> None:
        self._schema = schema
        self._token = os.urandom(8).hex()
        self._talk: Talk[PGresult] | None = None
        self._next: int | None = None
        self._poller = select.poll()
        with _wrapped():
            deadline = monotonic() + timeout
            self._connection = server.dial(deadline)
            try:
                self._begin(deadline)
            except BaseException:
                self.close()
                raise

    def probe(self, serial: int) -> None:
        """Send a probe; while an earlier one is under way, as soon as that is through."""
        self._next = serial
        with _wrapped():
            self._go_on()

    def receive(self, timeout: float) -> Sequence[Happening]:
        """What has come, in order; nothing after `timeout` seconds."""
        with _wrapped():
            found = self._found()
            if not found and self._poller.poll(max(timeout, 0) * 1000):
                self._pgconn.consume_input()
                self._go_on()
                found = self._found()
            return found

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self._pgconn.finish()

    @property
    def _pgconn(self) -> PGconn:
        return self._connection.pgconn

    def _begin(self, deadline: float) -> None:
        """Listen, have changes announced, and see that they arrive.

        A pooler answers in the name of a process that is not there, or hands the probe to another
        one than the LISTEN; and if it once does not, it may the next time.
        """
        self._poller.register(self._pgconn.socket, select.POLLIN)
        found = self._ask("SELECT pg_backend_pid()::bigint", deadline)
        if found.number(0, 0) != self._pgconn.backend_pid:
            raise StoreUnavailable(_POOLED)
        self._ask("LISTEN @schema@", deadline)
        patience = int(max(deadline - monotonic(), 0) * 1000)
        self._ask(f"SELECT @schema@.listen_1('{patience}')", deadline)
        found = self._ask("SELECT pg_postmaster_start_time()", deadline)
        self.node = (found.raw(0, 0) or b"").hex()
        self.probe(0)
        while Answered(0) not in self.receive(deadline - monotonic()):
            if monotonic() >= deadline:
                raise StoreUnavailable(_POOLED)

    def _ask(self, sql: str, deadline: float) -> Rows:
        text = self._schema.filled(sql).encode()
        return Rows(
            exchange.wait(self._pgconn, exchange.query(self._pgconn, text, (), ()), deadline)
        )

    def _go_on(self) -> None:
        """Carry the probe that is under way on, and begin with the next when it is through."""
        while self._talk is not None or self._next is not None:
            if self._talk is None:
                self._talk = self._asking(self._next or 0)
                self._next = None
            try:
                next(self._talk)
            except StopIteration:
                self._talk = None
            else:
                return

    def _asking(self, serial: int) -> Talk[PGresult]:
        payload = f"p{self._token}:{serial}".encode()
        values = self._schema.name.encode(), payload
        return exchange.query(self._pgconn, _PROBE, values, (Kind.TEXT, Kind.TEXT))

    def _found(self) -> list[Happening]:
        found: list[Happening] = []
        while (notification := self._pgconn.notifies()) is not None:
            happening = self._read(notification.extra.decode("ascii", "replace"))
            if happening is not None:
                found.append(happening)
        return found

    def _read(self, payload: str) -> Happening | None:
        """What a payload says: a change, or the answer to a probe of ours or of somebody else."""
        kind, rest = payload[:1], payload[1:]
        if kind == "p":
            token, _, serial = rest.partition(":")
            return Answered(int(serial)) if token == self._token else None
        if kind == "c" and rest.isascii() and "\\" not in rest:
            return Changed(rest)
        return Flushed()  # all sessions, an id of an odd spelling, or the word of a newer release


@contextmanager
def _wrapped() -> Generator[None]:
    try:
        yield
    except Exception as error:
        raise store_error(error) or error from error
