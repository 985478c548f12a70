"""Interleaved rounds, medians of per-round ratios with their spread, and how a result is kept."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

RESULTS = Path(__file__).parent / "results"
QUICK = bool(os.environ.get("HOLDFAST_BENCH_QUICK"))
"""Only see that the programs run: one short round, and nothing is kept."""
ROUNDS = 1 if QUICK else int(os.environ.get("HOLDFAST_BENCH_ROUNDS", "7"))


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: the median over rounds, and the least and greatest of them.

    `cpu_us` is the processor time of a server for one request, where one was measured.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    cpu_us: float | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """One quantity over another, round by round, against what it must and what it should be.

    `at_most` says which way is good: a cost must not exceed `must`, a throughput must reach it.
    `cpu` is the same ratio by processor time, where it was measured.
    """

    name: str
    median: float
    low: float
    high: float
    must: float | None = None
    aim: float | None = None
    at_most: bool = True
    cpu: float | None = None

    @property
    def verdict(self) -> str:
        """«aim», «must» or «missed», as far as targets are set."""
        for word, target in (("aim", self.aim), ("must", self.must)):
            if target is not None and (self.median <= target) == self.at_most:
                return word
        return "missed" if self.must is not None else ""


def per_call(function: Callable[[], object], calls: int) -> float:
    """Microseconds per call over one burst."""
    start = time.perf_counter_ns()
    for _ in range(calls):
        function()
    return (time.perf_counter_ns() - start) / calls / 1000


def interleaved(
    subjects: Mapping[str, Callable[[], T]], rounds: int = ROUNDS
) -> dict[str, list[T]]:
    """What each subject measured, in rounds A B C, A B C, …, so that drift hits all alike."""
    samples: dict[str, list[T]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, measure in subjects.items():
            samples[name].append(measure())
    return samples


def figure(name: str, unit: str, values: list[float], cpu_us: list[float] | None = None) -> Figure:
    """The samples of one subject as a figure."""
    cpu = statistics.median(cpu_us) if cpu_us else None
    return Figure(name, unit, statistics.median(values), min(values), max(values), cpu)


def ratio(
    name: str,
    over: list[float],
    under: list[float],
    *,
    must: float | None = None,
    aim: float | None = None,
    at_most: bool = True,
    cpu: list[float] | None = None,
) -> Ratio:
    """Round by round `over / under`; `cpu` has the same ratio by processor time."""
    each = [a / b for a, b in zip(over, under, strict=True)]
    by_cpu = statistics.median(cpu) if cpu else None
    return Ratio(name, statistics.median(each), min(each), max(each), must, aim, at_most, by_cpu)


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [row for row in info.read_text().splitlines() if row.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of these packages; what is not there was not measured."""
    return {name: found for name in packages if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def publish(
    name: str,
    figures: list[Figure],
    ratios: list[Ratio],
    packages: tuple[str, ...] = (),
    others: dict[str, str] | None = None,
) -> None:
    """Print a table, and keep the run as `bench/results/NAME.json`.

    `others` are the versions of what is no Python package.
    """
    for each in figures:
        cpu = "" if each.cpu_us is None else f"  CPU {each.cpu_us:,.1f} µs"
        print(
            f"{each.name:<58}{each.median:>12,.2f} {each.unit:<10}{each.low:,.2f} to {each.high:,.2f}"
            f"{cpu}"
        )
    for line in ratios:
        targets = " / ".join(f"{t:g}" for t in (line.must, line.aim) if t is not None)
        cpu = "" if line.cpu is None else f"  by CPU {line.cpu:.3f}"
        print(
            f"{line.name:<58}{line.median:>12.3f} x{'':<9}{line.low:.3f} to {line.high:.3f}"
            f"{cpu}  {targets and f'must/aim {targets}: {line.verdict}'}"
        )
    if QUICK:
        return
    RESULTS.mkdir(exist_ok=True)
    run = {
        "machine": machine(),
        "versions": versions("holdfast", *packages) | (others or {}),
        "figures": [asdict(each) for each in figures],
        "ratios": [{**asdict(line), "verdict": line.verdict} for line in ratios],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
