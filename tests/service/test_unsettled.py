"""A forgotten `holdfast keys settle` shows where operators look: at the start, and in the metrics."""

from dataclasses import replace

import httpx
import pytest

from holdfast import keyfile
from holdfast.service.home import KEY_FILE
from service.clients import bearer
from service.running import Server, command
from service.test_metrics import KEY, counts

PAST = 1_764_547_200_000
FIGURE = "holdfast_keys_settle_due_timestamp_seconds"


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_said_once_and_counted_until_it_is_done(tmp_path, workers):
    """One line whatever the number of workers; neither line nor figure once it is settled."""
    home = tmp_path / "home"
    command(home, "user", "list", PROFILE="development")
    command(home, "keys", "announce", "--algorithm", "EdDSA")
    kid = keyfile.load(home / KEY_FILE).signing[0].kid
    for steps, settled in ((("activate", kid), False), (("settle",), True)):
        assert command(home, "keys", *steps).returncode == 0
        if not settled:
            keyfile.change(home / KEY_FILE, lambda ring: replace(ring, mixed_since=PAST))
        server = Server(
            home, "--profile", "development", "--workers", str(workers), METRICS_KEY=KEY
        )
        figures = counts(httpx.get(f"{server.url}/metrics", headers=bearer(KEY)).text)
        assert server.stop() == 0
        told = [line for line in server.lines if "keys settle" in line]
        assert len(told) == (0 if settled else 1)
        assert all(line.startswith("WARNING holdfast: keys: access tokens of") for line in told)
        assert figures.get(FIGURE) == (None if settled else PAST / 1000 + 3630)
