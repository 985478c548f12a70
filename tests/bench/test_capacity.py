"""What many sessions need, by the formulas of the page; and the page says what the program has found."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from bench import _needs  # noqa: E402

COSTS = _needs.Costs(session=600, read=6, touch=8, write=20)


def test_the_page_agrees_with_the_results():
    command = [sys.executable, "-m", "bench.capacity", "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_ten_million_sessions_by_hand():
    """50,000 requests a second at 6 + 8 + 1 µs are 0.75 cores, 1.5 at half load; 9 GB."""
    found = _needs.needs(COSTS, 10_000_000, 0.0, sharded=True)
    assert found.requests == 50_000
    assert found.cores == pytest.approx(1.5)
    assert found.gigabytes == pytest.approx(9.0)
    assert found.nodes == 2


def test_memory_may_ask_for_more_nodes_than_cores():
    big = COSTS._replace(session=6000)
    assert _needs.needs(big, 10_000_000, 0.0, sharded=True).nodes == 4  # 90 GB in nodes of 24


def test_a_near_cache_saves_readings_and_nothing_else():
    cold, hot = (_needs.needs(COSTS, 10**6, hits, sharded=False).cores for hits in (0.0, 1.0))
    assert hot / cold == pytest.approx(9 / 15)


@pytest.mark.parametrize(
    ("millions", "sharded", "words"),
    [
        (1, True, "one primary, one replica"),
        (100, True, "Cluster of 15 primaries, a replica each"),
        (100, False, "one primary, 15 cores"),
        (1000, False, "more than one can do"),
    ],
)
def test_topologies(millions, sharded, words):
    found = _needs.needs(COSTS, millions * 10**6, 0.0, sharded=sharded)
    assert _needs.topology(found, sharded=sharded) == words
