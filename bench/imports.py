"""What starting costs, in processor time: imports over an interpreter that imports nothing.

`import holdfast` alone imports nothing more; the engine comes with the first name that needs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from resource import RUSAGE_CHILDREN, getrusage

from bench import _measure as measure

STARTS = 2 if measure.QUICK else 10

CODE = {
    "python": "pass",
    "import holdfast": "import holdfast",
    "from holdfast import Sessions": "from holdfast import Sessions",
    "import msgspec": "import msgspec",
    "import flask": "import flask",
    "import flask, then ours for it": "import flask, holdfast.web.flask",
    "import pytest": "import pytest",
    "import pytest, then our plugin": "import pytest, holdfast.testing.plugin",
    "import typer": "import typer",
    "holdfast --version": "import sys; sys.argv[1:] = ['--version']\n"
    "from holdfast.cli import main; main()",
}

# An installed package has its bytecode. Where the variable is set (images, CI) each start of a
# checkout would compile the sources again.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def start(code: str) -> float:
    """Milliseconds of processor time of the fastest of some starts of Python with this code."""
    return min(_once(code) for _ in range(STARTS))


def _once(code: str) -> float:
    before = _spent()
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    return _spent() - before


def _spent() -> float:
    """Of this program's children: an import waits for nothing, and the machine may be busy."""
    usage = getrusage(RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def main() -> None:
    """Measure, print, keep."""
    samples = measure.interleaved({name: partial(start, code) for name, code in CODE.items()})

    def over(more: str, less: str = "python") -> list[float]:
        return [a - b for a, b in zip(samples[more], samples[less], strict=True)]

    ours, engine = over("import holdfast"), over("from holdfast import Sessions")
    differences = {
        "import holdfast over bare Python": ours,
        "from holdfast import Sessions over bare Python": engine,
        "import msgspec over bare Python": over("import msgspec"),
        "the adapter over Flask": over("import flask, then ours for it", "import flask"),
        "the plugin over pytest": over("import pytest, then our plugin", "import pytest"),
        "holdfast --version over Typer": over("holdfast --version", "import typer"),
    }
    aim = [35.0] * len(ours)
    measure.publish(
        "imports",
        [measure.figure(each, "ms", values) for each, values in {**samples, **differences}.items()],
        [
            measure.ratio("import holdfast over 35 ms", ours, aim, aim=1),
            measure.ratio("from holdfast import Sessions over 35 ms", engine, aim, aim=1),
        ],
        ("flask", "msgspec", "pytest", "typer"),
    )


if __name__ == "__main__":
    main()
