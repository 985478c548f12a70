"""A million sessions in SQLite: what one user's sessions cost there, and whether purging stalls others.

The same operations on a small and on a large file, in interleaved rounds. Every user has ten sessions.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench import _measure as measure
from holdfast import KeyRing, Session, Sessions, Settings, stores
from holdfast.assembly import now_ms
from holdfast.record import changed
from holdfast.stores.sqlite import verbs

SMALL, LARGE = (200, 2_000) if measure.QUICK else (10_000, 1_000_000)
PER_USER = 10
BATCH = 1_000
USERS = 5 if measure.QUICK else 40
DAY = 24 * 3600 * 1000


class Population:
    """A file with this many sessions, and the engine over it."""

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.count = count
        settings = Settings()
        ring = KeyRing.from_secrets([secrets.token_urlsafe(32)], environment=settings.environment)
        self.store: Any = stores.open_store(f"sqlite:///{path}")
        self.sessions = Sessions(
            self.store, settings, ring, clock=now_ms, entropy=os.urandom, collect=lambda _: None
        )
        first = Session()
        self.sessions.sign_in(first, "model", role="user", email="user@example.org")
        assert first.record is not None
        self.cookie = first.cookie
        self._model = first.record
        self._next_user = 0
        for start in range(0, count, BATCH):
            self._insert(start, min(BATCH, count - start), self._model.expires_at)

    def _insert(self, start: int, some: int, expires_at: int, owner: str = "user") -> None:
        records = [
            changed(
                self._model,
                id=f"aa1{secrets.token_urlsafe(16)[:21]}A",
                subject=f"{owner}-{(start + each) // PER_USER}",
                expires_at=expires_at,
            )
            for each in range(some)
        ]
        ops = [verbs.insert(record, now_ms(), None, None) for record in records]
        self.store.core.write(lambda conn: [op(conn) for op in ops])

    def bytes_each(self) -> float:
        """Bytes of the file per session."""
        self.store.core.write(lambda _: None)
        sizes = [Path(f"{self.path}{end}") for end in ("", "-wal")]
        return sum(each.stat().st_size for each in sizes if each.exists()) / self.count

    def sessions_of(self) -> float:
        """Microseconds to list one user's ten."""
        users = iter(range(10 * USERS))
        return measure.per_call(
            lambda: self.sessions.sessions_of(f"user-{next(users)}"), 10 * USERS
        )

    def revoke_all(self) -> float:
        """Microseconds to end one user's ten, durably."""
        first, self._next_user = self._next_user, self._next_user + USERS
        users = iter(range(self.count // PER_USER - 1 - first, 0, -1))
        return measure.per_call(lambda: self.sessions.revoke_all(f"user-{next(users)}"), USERS)

    def longest_begin_during_purge(self) -> float:
        """Milliseconds of the slowest request while everything that has expired is purged."""
        for start in range(0, self.count, BATCH):
            self._insert(start, min(BATCH, self.count - start), now_ms() - DAY, "gone")
        purging = threading.Thread(target=self.sessions.sweep)
        purging.start()
        longest = 0
        while purging.is_alive():
            begun = time.perf_counter_ns()
            self.sessions.begin(self.cookie)
            longest = max(longest, time.perf_counter_ns() - begun)
            time.sleep(0.001)
        purging.join()
        return longest / 1e6


def main() -> None:
    """Fill, measure, print, keep."""
    with tempfile.TemporaryDirectory() as folder:
        small = Population(Path(folder) / "small.db", SMALL)
        large = Population(Path(folder) / "large.db", LARGE)
        size = large.bytes_each()
        samples = measure.interleaved(
            {
                "sessions_of 10, small": small.sessions_of,
                "sessions_of 10, large": large.sessions_of,
                "revoke_all of 10, small": small.revoke_all,
                "revoke_all of 10, large": large.revoke_all,
            }
        )
        stall = large.longest_begin_during_purge()
        for each in (small, large):
            each.store.close()
    figures = [measure.figure(each, "µs", values) for each, values in samples.items()]
    figures.append(measure.figure("bytes per session", "bytes", [size]))
    figures.append(measure.figure(f"longest request while {LARGE:,} expired go", "ms", [stall]))
    ratios = [
        measure.ratio(
            f"{each} {LARGE:,} over {SMALL:,}",
            samples[f"{each}, large"],
            samples[f"{each}, small"],
            must=1.5,
        )
        for each in ("sessions_of 10", "revoke_all of 10")
    ]
    ratios.append(measure.ratio("longest request during purge over 50 ms", [stall], [50.0], must=1))
    measure.publish("scale", figures, ratios)


if __name__ == "__main__":
    main()
