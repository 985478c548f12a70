"""One database file as a process uses it: reads in the calling thread, writes through the writer.

Other components keep their tables in the same file: they bring them up to date with `migrate` and
work with `read`, `write` and `awrite`. Table names that begin with `sessions`, `quotas`, `meta`,
`migrations` and `changes` are taken.
"""

from __future__ import annotations

import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.hooks import weakly
from holdfast.stores.asked import checked_timeout
from holdfast.stores.sqlite import schema
from holdfast.stores.sqlite.batches import Batches
from holdfast.stores.sqlite.file import DatabaseFile
from holdfast.stores.sqlite.hot import Hot
from holdfast.stores.sqlite.readers import Readers
from holdfast.stores.sqlite.ticket import Ticket
from holdfast.stores.sqlite.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_LOOK_EVERY = 1000


class SqliteCore:
    """The database at `path`, for any number of threads, event loops and processes.

    Nothing is opened before the first call; the file is made with mode 0600 if it does not exist,
    its directory is not. `timeout` (seconds) bounds every write, with the wait for other processes.

    Every call raises `StoreUnavailable` when the file cannot be used now (locked, full, read-only,
    gone) and `StoreCorrupt` when it never can (damaged, foreign, newer than this release), with
    SQLite's error as the cause, and works again as soon as the obstacle is away.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0) -> None:
        self._timeout = checked_timeout(timeout)
        self._file = DatabaseFile(path, self._timeout)
        self._readers = Readers(self._file.reader)
        self._writer = Writer(self._file)
        self._batches = Batches(self._writer.submit)
        self._looked_at = 0
        self._turnover = 0
        self._hot = Hot(None)
        self._pid = os.getpid()
        self._inherited: list[Any] = []
        self._finish = weakref.finalize(self, _finish, self._readers, self._writer, self._batches)
        os.register_at_fork(
            before=weakly(self._hold),
            after_in_parent=weakly(self._release),
            after_in_child=weakly(self.after_fork),
        )

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, as tuples. A file that was put in place of the opened one is noticed."""
        self._look()
        if self._turnover != self._file.turnover:
            self._turn_over()
        return self._readers.every(sql, params)

    def hot(self, now: int) -> Hot:
        """What has been read of the present file in these ten seconds (`now`: Unix ms).

        A file that was put in place of the opened one is noticed within a second, and at once where
        a write has noticed it.
        """
        if not -_LOOK_EVERY < now - self._looked_at < _LOOK_EVERY:
            self._look()
            self._file.see_to_marks()
            if self._hot.is_over(now):
                self._hot = Hot(self._file.marks, now)
            self._looked_at = now
        if self._turnover != self._file.turnover:
            self._turn_over()
        return self._hot

    def read_one(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """The first row of a query as a tuple, or None."""
        if self._turnover != self._file.turnover:
            self._turn_over()
        return self._readers.one(sql, params)

    def attempt(self, sql: str, params: Sequence[Any], *, wait: bool) -> int | None:
        """Change something by one statement, in the calling thread; how many rows, once committed.

        None: not now. Other processes or, unless the caller may `wait` for them, other threads are
        writing, or the disk is to be synced. The same change as an operation for `write` is sure.
        """
        return self._writer.attempt(lambda conn: conn.execute(sql, params).rowcount, wait=wait)

    def attempt_all(self, op: Callable[[sqlite3.Connection], T], *, wait: bool) -> T | None:
        """`attempt` with several statements, each committed by itself; `op` looks after what comes between."""
        return self._writer.attempt(op, wait=wait)

    def write(self, op: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Run `op` in a transaction of the writer; its result, once that is committed.

        `op` may run more than once and must only work on the connection, without ending the
        transaction; what it raises takes back its own changes and comes out here. With `durable`,
        the commit is on disk, and so is everything that was committed before it.
        """
        ticket = Ticket(op, durable=durable)
        self._writer.submit(ticket)
        return ticket.wait(self._timeout)

    async def awrite(self, op: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """As `write`, for coroutines. Cancelling the wait does not take back the operation."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        ticket = Ticket(op, durable=durable, loop=loop)
        self._batches.add(ticket, loop)
        timer = loop.call_later(self._timeout, ticket.expire)
        try:
            return await ticket.future
        finally:
            timer.cancel()

    def migrate(self, name: str, scripts: Sequence[str]) -> int:
        """Run those of the component's SQL scripts that have not run here; how many did.

        Scripts are only ever added at the end. Of several processes one does the work.
        """
        return self.write(partial(schema.migrate, name=name, scripts=scripts), durable=True)

    async def amigrate(self, name: str, scripts: Sequence[str]) -> int:
        """As `migrate`, for coroutines."""
        return await self.awrite(partial(schema.migrate, name=name, scripts=scripts), durable=True)

    def after_fork(self) -> None:
        """Begin anew in a child process; called by itself after `os.fork`."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._file.after_fork()
        self._batches.after_fork()
        # Kept for ever: closing a connection of the parent here would drop locks of this process.
        self._inherited += [*self._readers.after_fork(), self._writer.after_fork()]

    def close(self) -> None:
        """Finish pending writes and close the file; final. Also done at exit."""
        self._hot = Hot(None)
        self._finish()

    def _turn_over(self) -> None:
        """Read from the file that others have opened meanwhile: what they end there has ended."""
        turnover = self._file.turnover
        self._readers.reset()
        self._hot = Hot(self._file.marks)
        self._turnover = turnover  # only now: until then the old connections are there to be taken

    def _look(self) -> None:
        if self._file.replaced():
            self._readers.reset()
            self._hot = Hot(None)

    def _hold(self) -> None:
        # SQLite keeps book of a process's locks on a file, and a child would inherit the book but
        # not the locks. So nothing is open while a process forks.
        self._writer.hold()
        self._readers.hold()

    def _release(self) -> None:
        self._readers.release()
        self._writer.release()


def _finish(readers: Readers, writer: Writer, batches: Batches) -> None:
    batches.flush()
    writer.close()
    readers.close()
