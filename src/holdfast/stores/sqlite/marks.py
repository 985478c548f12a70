"""Which sessions somebody has changed, told to all processes of the machine without a query.

A mark is a moment, in memory that the processes share through a file beside the database. A session
has the mark at the place that its id falls on. Whoever changes it puts the present moment there after
the change is committed and before it is acknowledged. No moment comes again, so what was read when
the place held one is good for as long as it does.

From the change to its mark the place says so, and nobody keeps what he reads. So a process that dies
between commit and mark leaves nobody with a session that the next one finds ended already.

A mark may come late, and cover that somebody else has begun a change. So a change also has a number,
which is written before the commit and, to another word of the place, after the mark. Only one process
changes at a time: where both numbers are the same, the last change is marked. A late mark writes the
number of a change that is not the last one.

Triggers of the writing connection note what is to be marked, whatever statement changes the row.
They are the connection's own: another program that writes to the file leaves no marks.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import sys
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

PLACES = 4096
CHANGING = 1
"""No moment, but that somebody is changing a session of the place, or died over it."""
# A link could name any file, which a command run by root would overwrite and give away.
_FLAGS = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_SIZE = PLACES * 8 * 3
_TRIGGERS = """
    CREATE TEMP TRIGGER IF NOT EXISTS updated AFTER UPDATE ON main.sessions
        BEGIN SELECT changed(old.id); END;
    CREATE TEMP TRIGGER IF NOT EXISTS deleted AFTER DELETE ON main.sessions
        BEGIN SELECT changed(old.id); END;
    CREATE TEMP TRIGGER IF NOT EXISTS ended AFTER UPDATE ON main.meta WHEN old.key = 'epoch'
        BEGIN SELECT changed(NULL); END;
"""


class Marks:
    """The marks of one database file. `at` is for anybody, the rest for who has the turn to write.

    Raises:
        OSError: the file cannot be made or opened, or there is no room for it.
    """

    def __init__(self, database: Path) -> None:
        self._path = beside(database)
        fd = os.open(self._path, _FLAGS, 0o600)
        try:
            _share(fd, database)
            _make_room(fd)
            self._bytes = memoryview(mmap.mmap(fd, _SIZE))
            self._file = os.fstat(fd)
        finally:
            os.close(fd)
        words = self._bytes.cast("Q")
        self.at, self._begun, self._done = (
            words[first : first + PLACES] for first in range(0, 3 * PLACES, PLACES)
        )
        self._changed: list[str | None] = []
        self._number = 0

    def shared(self) -> bool:
        """Whether the file is still there for others to open."""
        try:
            return os.path.samestat(self._path.stat(), self._file)
        except OSError:
            return False

    def before(self, place: int) -> int:
        """The mark with which what is read from now on may be kept, or CHANGING."""
        mark = self.at[place]  # first: a change that was covered has written its number by then
        return mark if self._begun[place] == self._done[place] else CHANGING

    def follow(self, conn: sqlite3.Connection) -> None:
        """Have noted what this connection changes."""
        conn.create_function("changed", 1, self._note)
        conn.executescript(_TRIGGERS)

    def mark(self) -> None:
        """Mark what has changed, now that it is committed or taken back."""
        for id in self._changed:
            _put(self.at, id, time.monotonic_ns())
            _put(self._done, id, self._number)
        self._changed.clear()
        self._number = 0

    def _note(self, id: str | None) -> None:
        self._number = self._number or time.monotonic_ns()
        self._changed.append(id)
        _put(self._begun, id, self._number)
        _put(self.at, id, CHANGING)


def _put(words: memoryview[int], id: str | None, word: int) -> None:
    """Write a word for a session, or for all."""
    if id is None:
        words.cast("B")[:] = word.to_bytes(8, sys.byteorder) * PLACES
    else:
        words[place(id)] = word


def place(id: str) -> int:
    """The place of a session's mark."""
    return zlib.crc32(id.encode()) % PLACES


def beside(database: Path) -> Path:
    """Where the marks of a database lie: one place, by whatever links it is reached."""
    database = database.resolve()
    return database.with_name(f"{database.name}-marks")


def _share(fd: int, database: Path) -> None:
    """Let those use it who use the database, as SQLite does with its own files, whoever was first."""
    theirs, ours = database.stat(), os.fstat(fd)
    if (theirs.st_uid, theirs.st_gid, theirs.st_mode) != (ours.st_uid, ours.st_gid, ours.st_mode):
        with suppress(PermissionError):
            os.fchown(fd, theirs.st_uid, theirs.st_gid)
            os.fchmod(fd, stat.S_IMODE(theirs.st_mode))


def _make_room(fd: int) -> None:
    """Make the file as long as it must be; what others have put there meanwhile stays.

    All of it now: a page that the disk turned out to have no place for would kill the process.
    """
    try:
        os.posix_fallocate(fd, 0, _SIZE)
    except (AttributeError, OSError) as error:  # where system or file system has no such call
        if getattr(error, "errno", None) not in {None, errno.EOPNOTSUPP, errno.EINVAL}:
            raise
        os.ftruncate(fd, max(os.fstat(fd).st_size, _SIZE))
