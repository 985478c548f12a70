"""The database file: making it, opening connections to it, and noticing when it is replaced.

The file is never opened past SQLite once it exists: closing any descriptor of it would drop the
locks that SQLite's own descriptors hold for this process.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from holdfast.errors import StoreUnavailable
from holdfast.stores.sqlite import schema
from holdfast.stores.sqlite.errors import is_busy
from holdfast.stores.sqlite.marks import Marks, beside

if TYPE_CHECKING:
    from collections.abc import Callable

# No mmap: measured 0.8 us faster at rest but 10 us slower after each write of another connection,
# and a file that is cut short under it would kill the process instead of raising.
_READER = """
    PRAGMA query_only = ON;
    PRAGMA cache_size = -8000;
    PRAGMA trusted_schema = OFF;
"""
# Checkpoints are the writer's own to time (§5). What was deleted is overwritten where that costs no
# extra page; stored hashes are no credentials, but people's data is theirs.
_WRITER = """
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA secure_delete = FAST;
    PRAGMA fullfsync = ON;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
"""


class DatabaseFile:
    """One SQLite file with the session tables in it, made with mode 0600 when it does not exist.

    `timeout` (seconds) bounds how long a lock of another process is waited for.
    """

    def __init__(self, path: str | os.PathLike[str], timeout: float) -> None:
        self._path = Path(path).absolute()
        self._text = str(self._path)
        self.timeout = timeout
        self._patience = self._most = timeout * 0.9
        self._lock = Lock()
        self._known: tuple[int, int] | None = None
        self.marks: Marks | None = None
        """The marks of the opened file; None before that, and where there can be none."""
        self._followed: Marks | None = None
        self.turnover = 0
        """How often another file was opened at this place; the connections to one share a number."""

    def reader(self) -> sqlite3.Connection:
        """A connection that only reads."""
        conn = self._open(min(self.timeout, 1.0))
        conn.executescript(_READER)
        return conn

    def writer(self) -> sqlite3.Connection:
        """The connection that writes; it never waits for locks by itself, see `patiently`."""
        conn = self._open(0)
        marks = self.marks
        if marks is None:
            conn.close()
            raise StoreUnavailable(f"{beside(self._path)} cannot be made or opened")
        self.patiently(partial(conn.executescript, _WRITER))
        self.patiently(partial(marks.follow, conn))
        self._followed = marks
        return conn

    def mark(self) -> None:
        """Tell all processes what the writer has changed, before anybody says that it is done."""
        if self._followed is not None:
            self._followed.mark()

    def see_to_marks(self) -> None:
        """Have all connections opened anew, with marks that are shared, if those are not any more."""
        with self._lock:
            if self.marks is not None and not self.marks.shared():
                self.marks = None
                self.turnover += 1

    def replaced(self) -> bool:
        """Whether another file has taken the place of the one that connections were opened to.

        Raises:
            StoreUnavailable: the file is gone. It is not made again: that would quietly sign
                everybody out.
        """
        return self._known is not None and self._identity() != self._known

    def patiently(self, action: Callable[[], object]) -> None:
        """Carry out `action`, waiting for other processes in short steps.

        SQLite's own waiting grows to 100 ms a step, which starves whoever comes late.
        """
        _patiently(action, self._most)

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = Lock()

    def _open(self, busy: float) -> sqlite3.Connection:
        with self._lock:
            if self._known is None:
                self._make()
            if self._identity() != self._known:
                self._prepare()
                if self._known is not None:
                    self.turnover += 1
                self._known = self._identity()
                self.marks = None
            if self.marks is None:
                self.marks = _marks(self._path)
        return self._connect(busy)

    def _make(self) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        try:
            os.close(os.open(self._path, flags, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreUnavailable(
                f"the session database cannot be made in {self._path.parent}: {error.strerror}"
            ) from error

    def _prepare(self) -> None:
        """Wait for locks, but only once: the others queue behind, and would each wait in turn."""
        patience, self._patience = self._patience, 0.0
        with closing(self._connect(0)) as conn:
            _patiently(partial(_establish, conn), patience)
        self._patience = self._most

    def _connect(self, busy: float) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=busy,
            isolation_level=None,
            check_same_thread=False,
        )

    def _identity(self) -> tuple[int, int]:
        try:
            stat = os.stat(self._text)  # noqa: PTH116 - at every write, and half the price
        except OSError as error:
            raise StoreUnavailable("the session database is not at its place any more") from error
        return stat.st_dev, stat.st_ino


def _establish(conn: sqlite3.Connection) -> None:
    """See that the file is ours, in WAL mode, and has today's tables; may be tried again."""
    schema.ownership(conn)
    if conn.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StoreUnavailable("the session database lies on a file system without WAL support")
    if not schema.is_current(conn):
        conn.execute("BEGIN IMMEDIATE")
        schema.establish(conn)
        conn.execute("COMMIT")


def _marks(database: Path) -> Marks | None:
    try:
        return Marks(database)
    except OSError:
        return None


def _patiently(action: Callable[[], object], seconds: float) -> None:
    """Carry out `action`, again and again for that long while a lock stands in its way."""
    deadline = time.monotonic() + seconds
    pause = 0.0002
    while True:
        try:
            action()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.005)
