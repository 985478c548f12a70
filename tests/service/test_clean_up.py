"""Clean-up in the running service: on schedule, by one process of all, and never a live session."""

import sqlite3
from contextlib import closing

from holdfast.assembly import now_ms
from holdfast.service.building import build
from holdfast.testing import FakeClock
from service.clients import configuration
from service.running import Server, until

DAY = 24 * 3_600_000


def sign_in(home, subject, count, clock=now_ms):
    context = build(configuration(home), clock=clock)
    sessions = context.assembly.blocking
    for _ in range(count):
        sessions.sign_in(sessions.begin(None), subject)
    context.close()


def stored(home):
    """How many records there are, read past the service."""
    with closing(sqlite3.connect(home / "holdfast.db")) as database:
        return database.execute("SELECT count(*) FROM sessions").fetchone()[0]


def test_what_has_expired_goes_by_itself(tmp_path):
    """From two workers over one file, one of which sweeps; what lives stays."""
    home = tmp_path / "home"
    sign_in(home, "old", 30, FakeClock(now_ms() - 30 * DAY))
    sign_in(home, "new", 3)
    assert stored(home) == 33
    every = {"SWEEP_EVERY": "1s", "FLUSH_EVERY": "100ms"}
    server = Server(home, "--demo", "--workers", "2", **every)
    tokens = server.login()
    until(lambda: stored(home) == 4, "the expired are gone")
    assert server.me(tokens) == 200
    sign_in(home, "old", 5, FakeClock(now_ms() - 30 * DAY))
    until(lambda: stored(home) == 4, "those that came later as well")
    assert server.me(tokens) == 200
    assert server.stop() == 0
