"""What `import holdfast` costs over an interpreter that imports nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench import _measure as measure

STARTS = 2 if measure.QUICK else 20

# An installed package has its bytecode. Where the variable is set (images, CI) each start of a
# checkout would compile the sources again.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def start(code: str) -> float:
    """Milliseconds of the fastest of some starts of Python with this code."""
    return min(_once(code) for _ in range(STARTS))


def _once(code: str) -> float:
    begun = time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)
    return (time.perf_counter_ns() - begun) / 1e6


def main() -> None:
    """Measure, print, keep."""
    samples = measure.interleaved(
        {"python": lambda: start("pass"), "import holdfast": lambda: start("import holdfast")}
    )
    over = [a - b for a, b in zip(samples["import holdfast"], samples["python"], strict=True)]
    figures = [measure.figure(each, "ms", values) for each, values in samples.items()]
    figures.append(measure.figure("import holdfast over bare Python", "ms", over))
    measure.publish(
        "imports",
        figures,
        [measure.ratio("import over 35 ms", over, [35.0] * len(over), aim=1)],
    )


if __name__ == "__main__":
    main()
