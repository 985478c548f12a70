"""`holdfast sweep`: what has expired goes, in batches, with a bar and a count; nothing that lives."""

import os
import pty
import re
import subprocess
import time

import pytest

from holdfast.testing import FakeClock
from service.running import COMMAND, environment

DAY = 24 * 3_600_000


@pytest.fixture
def old():
    """A clock of thirty days ago."""
    return FakeClock(time.time_ns() // 1_000_000 - 30 * DAY)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_what_has_expired_goes_and_what_lives_stays(holdfast, sign_in, alive, old, batch):
    """The count is the number of records, however large the batches are."""
    sign_in("user-7", 25, old)
    living = sign_in("user-7", 3)
    done = holdfast("sweep", "--batch", batch)
    assert (done.status, done.out) == (0, "25 expired records removed.\n")
    assert alive(living) == 3
    assert holdfast("sweep", "--json").json == {"removed": 0}


def test_for_programs_there_is_only_the_count(holdfast, sign_in, old):
    """JSON on stdout, and no bar on stderr."""
    sign_in("user-7", 2, old)
    done = holdfast("sweep", "--json")
    assert (done.json, done.err) == ({"removed": 2}, "")


def test_a_record_that_may_still_count_stays(holdfast, sign_in, data):
    """Eviction waits an hour beyond the latest possible end."""
    ended = FakeClock(time.time_ns() // 1_000_000 - 24 * 3_600_000 - 1_800_000)
    sign_in("user-7", 1, ended)
    assert holdfast("sweep", "--json").json == {"removed": 0}


@pytest.mark.parametrize("batch", ["0", "-1", "x", "100001"])
def test_a_batch_is_a_number_in_bounds(holdfast, batch):
    """Refused by the command line itself."""
    assert holdfast("sweep", "--batch", batch).status == 2


def test_on_a_terminal_there_is_a_bar(home, sign_in, old):
    """On standard error, with a running total; the result alone on standard output."""
    sign_in("user-7", 30, old)
    bar, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "sweep", "--batch", "10"],
        env=environment(home) | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    out, _ = process.communicate(timeout=60)
    shown = _read(bar)
    assert out == "30 expired records removed.\n"
    assert "Sweeping" in shown
    assert re.search(r"[━╸─-]{10}", shown)
    assert "30 removed" in shown


def _read(handle):
    """Everything that was written to the terminal."""
    parts = []
    try:
        while part := os.read(handle, 65536):
            parts.append(part)
    except OSError:  # Linux says so when the other side is closed
        pass
    finally:
        os.close(handle)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(parts).decode())
