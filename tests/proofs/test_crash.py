"""A few kills under load; the long run is `scripts/prove crash`."""

import pytest

from proofs.crash import Crash

KILLS = 6


@pytest.mark.crash
def test_nothing_acknowledged_is_lost_to_a_kill(tmp_path):
    """Workers and the whole service, with two workers over one SQLite file (DESIGN §12, 1 and 2)."""
    crash = Crash(tmp_path / "home", clients=4, seed="smoke")
    crash.go_on(60, most=KILLS)
    crash.finish()
    assert crash.failures == []
    assert crash.kills.total() == KILLS
    assert crash.kills.keys() == {"worker", "service"}
    assert {"sign-in", "login", "change", "refresh", "log-out"} <= crash.acknowledged.keys()
