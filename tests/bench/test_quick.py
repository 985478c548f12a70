"""The programs of the bench run; what they measure in a short round says nothing and is not looked at."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

ROOT = Path(__file__).parent.parent.parent
CHAINS = {"chain", "django", "express", "forward_auth", "redis_chain"}
PROGRAMS = sorted({path.stem for path in (ROOT / "bench").glob("[!_]*.py")} - CHAINS)


def run(name):
    """What a program says; one that takes too long leaves none of its servers behind."""
    quick = {**os.environ, "HOLDFAST_BENCH_QUICK": "yes"}
    command = [sys.executable, "-m", f"bench.{name}"]
    with subprocess.Popen(
        command, cwd=ROOT, env=quick, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True
    ) as program:
        try:
            out, said = program.communicate(timeout=100)
        except BaseException:
            os.killpg(program.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, program.returncode, out, said)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_and_keeps_nothing(name):
    kept = {path: path.stat().st_mtime_ns for path in (ROOT / "bench" / "results").iterdir()}
    done = run(name)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert {
        path: path.stat().st_mtime_ns for path in (ROOT / "bench" / "results").iterdir()
    } == kept


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("chain", "Holdfast SQLite / bare"),
        ("django", "Holdfast SQLite / bare"),
        ("express", "Holdfast / express-session set"),
        ("forward_auth", "decisions, over the wire"),
    ],
)
def test_whole_chains_run_side_by_side(name, said):
    """Every server starts, signs visitors in, refuses what it must, and answers under load."""
    missing = [name for name in ("wrk", "redis-server", "nginx") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"install {', '.join(missing)}; scripts/bench does")
    done = run(name)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
