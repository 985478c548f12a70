"""SQLite's own calls to sync the log, counted, and made to fail on demand.

The test puts itself between SQLite and the operating system by replacing one function of SQLite's
file interface (`sqlite3_vfs.xOpen`), so what is counted is what really happens.
"""

import ctypes
import re
from contextlib import contextmanager
from pathlib import Path

import pytest

WAL = 0x80000
IOERR_FSYNC = 1034
X_OPEN, X_SYNC, METHODS = 5, 5, 19

Open = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
)
Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
Words = ctypes.POINTER(ctypes.c_void_p)


class WatchedDisk:
    """How often a log was synced; while `broken`, syncs fail as those of a dying disk do."""

    def __init__(self):
        self.syncs = 0
        self.broken = False
        self._kept = []

    def watch(self, file):
        """Replace xSync of an opened file by one that counts."""
        methods = ctypes.cast(file, Words)
        original = ctypes.cast(methods[0], Words)
        copy = (ctypes.c_void_p * METHODS)(*original[:METHODS])
        sync = Sync(lambda this, flags: self._sync(Sync(original[X_SYNC]), this, flags))
        copy[X_SYNC] = ctypes.cast(sync, ctypes.c_void_p).value
        methods[0] = ctypes.addressof(copy)
        self._kept += [copy, sync]

    def _sync(self, original, this, flags):
        if self.broken:
            return IOERR_FSYNC
        self.syncs += 1
        return original(this, flags)


@contextmanager
def watched_disk():
    """A `WatchedDisk` for every log that is opened inside the block."""
    vfs = ctypes.cast(_find_vfs(), Words)
    original, disk = vfs[X_OPEN], WatchedDisk()

    def opened(this, name, file, flags, out_flags):
        code = Open(original)(this, name, file, flags, out_flags)
        if code == 0 and flags & WAL:
            disk.watch(file)
        return code

    replacement = Open(opened)
    vfs[X_OPEN] = ctypes.cast(replacement, ctypes.c_void_p).value
    try:
        yield disk
    finally:
        vfs[X_OPEN] = original


def _find_vfs():
    maps = Path("/proc/self/maps")
    found = re.search(r"\S*/libsqlite3\.so\S*", maps.read_text() if maps.exists() else "")
    if not found:
        pytest.skip("SQLite is no shared library here")
    library = ctypes.CDLL(found.group())
    library.sqlite3_vfs_find.restype = ctypes.c_void_p
    return library.sqlite3_vfs_find(None)
