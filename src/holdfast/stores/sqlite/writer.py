"""Who writes: the caller at once, where that is quick, and otherwise one thread in groups.

A change by single statements that need not be durable is carried out in the calling thread, each as
a transaction of its own (`attempt`): some 15 us, where handing it to the thread costs five times as
much. Only if nothing is known to hold the caller up: not while the thread has the connection, not
while another process writes, and neither the first change after a checkpoint of ours, which syncs
the disk, nor the one after which the next is due. After a checkpoint of another process it may.

Everything else goes to the thread. Callers queue operations. The thread takes all that are there,
begins, runs them one after another, commits, and only then tells everybody: so a group costs one
lock and at most one sync of the disk.

- The group is synced if any operation in it is durable. Such a commit always has a page to write:
  SQLite skips commit and sync of a transaction that changed nothing, and a revocation that finds
  nothing left to do must still prove what came before it.
- An operation that raises fails alone: the group is taken back, and each of the others then gets a
  transaction of its own. So an operation may run twice, and must only work on its connection.
- A BEGIN or COMMIT that fails, fails the whole group. Nobody retries a failed sync: the second one
  may succeed without the data being there.
- Checkpoints happen between groups, after the answers have gone out, and hold up everybody who
  writes: beside the writes of another process the log would never be copied to its end, could never
  begin anew, and would grow as long as both are busy.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.errors import StoreUnavailable, UsageError
from holdfast.stores.sqlite.errors import FAILURES, is_busy, spoils, store_error
from holdfast.stores.sqlite.ticket import answer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from holdfast.stores.sqlite.file import DatabaseFile
    from holdfast.stores.sqlite.ticket import Ticket

T = TypeVar("T")

_PROOF = "UPDATE meta SET value = value + 1 WHERE key = 'proof'"
_MOST = 256
"""Operations in one group, so that nobody waits for an endless one."""
_CHECKPOINT_AFTER = 1000
"""Operations between two checkpoints: some 4 to 20 MB of log."""
_LET_FINISH = 50
"""Milliseconds that a checkpoint waits for other processes to finish a write or a read."""
_TURN = 0.05
"""Seconds that a thread waits for its turn, before it queues like the others."""
_CLOSED = "the session store is closed"
_IDLE = 5.0
"""Seconds without work until the log is cut to nothing."""


class Writer:
    """Writes on the one connection for it; who uses that has the turn.

    The thread starts with the first ticket.
    """

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file
        self._closed = False
        self._thread: Thread | None = None
        self._conn: sqlite3.Connection | None = None
        self._reset()

    def attempt(self, op: Callable[[sqlite3.Connection], T], *, wait: bool) -> T | None:
        """Change something here and now, each statement a transaction of its own; None: not now.

        `wait` says whether the caller may wait for other threads that write.

        Raises:
            StoreError: SQLite cannot carry it out.
        """
        if not self._take_turn(wait=wait):
            return None
        try:
            conn = self._ready()
            return None if conn is None else op(conn)
        except BaseException as error:  # also a record that this release must not read
            self._undo(error)
            if not isinstance(error, FAILURES):
                raise
            if is_busy(error):
                return None
            raise store_error(error) from error
        finally:
            self._file.mark()
            self._turn.release()

    def _take_turn(self, *, wait: bool) -> bool:
        if wait:
            return self._turn.acquire(timeout=_TURN)
        return not self._wanted and self._turn.acquire(blocking=False)

    def _ready(self) -> sqlite3.Connection | None:
        """The connection for one more ordinary change; None: the thread has to look after it."""
        due = not 0 < self._since_checkpoint < _CHECKPOINT_AFTER
        if due or self._outlived or self._file.replaced():
            return None
        if self._conn is not None:
            self._since_checkpoint += 1
            self._set_level(self._conn, durable=False)
        return self._conn

    def submit(self, ticket: Ticket[Any]) -> None:
        """Queue a ticket.

        Raises:
            UsageError: the writer is closed.
            StoreUnavailable: there is no thread to be had.
        """
        if self._closed:
            raise UsageError(_CLOSED)
        self._queue.put(ticket)
        if self._thread is None:
            try:
                with self._gate:
                    self._go_on()
            except RuntimeError as error:
                ticket.abandoned = True
                raise StoreUnavailable("no thread can be started that writes") from error

    def hold(self) -> None:
        """Finish what is queued, end thread and connection; none starts until `release`."""
        self._gate.acquire()
        if self._thread is not None:
            self._queue.put(None)
            if self._thread is not current_thread():  # the garbage collector runs anywhere
                self._thread.join(self._file.timeout)
            self._thread = None

    def release(self) -> None:
        """Go on, at once if something has been queued meanwhile."""
        try:
            if not self._queue.empty():
                self._go_on()
        finally:
            self._gate.release()

    def close(self) -> None:
        """Finish what is queued, end the thread, close the connection; final."""
        self.hold()
        self._closed = True
        self._refuse()
        self._gate.release()

    def after_fork(self) -> Any:
        """Begin anew in a child; the parent's connection, which must never be closed here."""
        inherited = self._conn
        self._reset()
        return inherited

    def _reset(self) -> None:
        self._gate = Lock()
        self._turn = Lock()
        self._wanted = False
        self._queue: SimpleQueue[Ticket[Any] | None] = SimpleQueue()
        self._thread = None
        self._conn = None
        self._turnover = 0
        self._synced: bool | None = None
        self._since_checkpoint = 0

    def _go_on(self) -> None:
        """Whoever calls has the gate: a ticket that came too late to be finished starts nothing."""
        if self._closed:
            self._refuse()
        elif self._thread is None:
            thread = Thread(target=self._run, name="holdfast-sqlite", daemon=True)
            thread.start()
            self._thread = thread

    def _refuse(self) -> None:
        """Tell those who have queued behind the end, and leave the end to a thread that looks for it."""
        ends = False
        with suppress(Empty):
            while True:
                ticket = self._queue.get_nowait()
                if ticket is None:
                    ends = True
                else:
                    ticket.fail(UsageError(_CLOSED))
                    answer([ticket])
        if ends:
            self._queue.put(None)

    def _run(self) -> None:
        going = True
        while going:
            before = self._since_checkpoint
            group, going = self._gather()
            self._wanted = True
            with self._turn:
                self._wanted = False
                self._carry_out(group)
                self._file.mark()
            answer(group)
            at_rest = not group and self._since_checkpoint == before
            with self._turn:
                self._checkpoint(idle=at_rest or not going)
        with self._turn:
            self._disconnect()

    def _gather(self) -> tuple[list[Ticket[Any]], bool]:
        """All tickets that are there, waiting for the first; False: that was the end."""
        group: list[Ticket[Any]] = []
        try:
            ticket = self._queue.get(timeout=_IDLE if self._since_checkpoint else None)
            while ticket is not None:
                group.append(ticket)
                if len(group) == _MOST:
                    return group, True
                ticket = self._queue.get_nowait()
        except Empty:
            return group, True
        return group, False

    def _carry_out(self, group: list[Ticket[Any]]) -> None:
        if all(each.abandoned for each in group):
            return
        try:
            conn = self._begin(durable=any(each.durable for each in group))
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread must go on
            self._give_up(group, error)
            return
        for ticket in group:
            try:
                if not ticket.abandoned:
                    ticket.run(conn)
            except Exception as error:  # noqa: BLE001 - it goes to the caller whose operation it is
                self._undo(error)
                self._alone(group, ticket, error)
                return
        self._commit(conn, group)

    def _begin(self, *, durable: bool) -> sqlite3.Connection:
        if self._outlived or self._file.replaced():
            self._disconnect()
        if self._conn is None:
            self._conn = self._file.writer()
            self._turnover = self._file.turnover
            self._synced = None
        conn = self._conn
        # The level, too, may have to wait: it needs the schema, and a lock to read that.
        self._file.patiently(partial(self._set_level, conn, durable=durable))
        self._file.patiently(partial(conn.execute, "BEGIN IMMEDIATE"))
        if durable:
            conn.execute(_PROOF)
        return conn

    @property
    def _outlived(self) -> bool:
        """Whether others have already opened another file than the connection is to."""
        return self._turnover != self._file.turnover

    def _set_level(self, conn: sqlite3.Connection, *, durable: bool) -> None:
        if self._synced is not durable:
            conn.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._synced = durable

    def _commit(self, conn: sqlite3.Connection, group: list[Ticket[Any]]) -> None:
        try:
            conn.execute("COMMIT")
        except FAILURES as error:
            self._give_up(group, error)
            self._disconnect()
        self._since_checkpoint += len(group)

    def _alone(self, group: list[Ticket[Any]], culprit: Ticket[Any], error: Exception) -> None:
        """Fail the culprit, and give each of the others a transaction of its own."""
        culprit.fail(error)
        for each in group:
            if each is not culprit:
                self._carry_out([each])

    def _give_up(self, group: list[Ticket[Any]], error: Exception) -> None:
        self._undo(error)
        for each in group:
            each.fail(error)

    def _undo(self, error: BaseException) -> None:
        """Take the transaction back, if SQLite has not done so itself."""
        if self._conn is None:
            return
        try:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
        except FAILURES:
            self._disconnect()
        if spoils(error):
            self._disconnect()

    def _checkpoint(self, *, idle: bool) -> None:
        """Move the log into the database when it has grown; cut it when there is nothing to do."""
        due = idle or self._since_checkpoint >= _CHECKPOINT_AFTER
        if self._conn is None or not due or not self._since_checkpoint:
            return
        self._since_checkpoint = 0
        try:
            self._conn.execute(f"PRAGMA busy_timeout = {_LET_FINISH}")
            self._conn.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if idle else 'FULL'})")
            self._conn.execute("PRAGMA busy_timeout = 0")
        except FAILURES:
            self._disconnect()  # the next operation meets the same obstacle and reports it

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(*FAILURES):
                conn.close()
