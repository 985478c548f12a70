"""Django's chain on granian: requests a second beside the bare view, and beside Django's own sessions.

No user row is loaded. As in `bench.chain`, every server is started at once, pinned to the first core,
and driven in turn in each round with 32 connections, signed-in visitors one after another.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import _measure as measure
from bench._drive import Server, redis_server
from bench.chain import GRANIAN, SECONDS, VISITORS, figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench._drive import Load

BARE, OURS = "Django, bare", "Django, Holdfast SQLite"
MUST = {f"GET {OURS}": 0.75}


def servers(folder: Path, redis: str) -> dict[str, Server]:
    """Every server of the comparison, not yet started."""
    memory = {"HOLDFAST_STORE": "memory://"}
    sqlite = {"HOLDFAST_STORE": f"sqlite:///{folder}/django.db"}
    return {
        BARE: Server("bare_django", GRANIAN, {}, signs_in=False),
        "Django, Holdfast memory": Server("holdfast_django", GRANIAN, memory),
        OURS: Server("holdfast_django", GRANIAN, sqlite),
        "Django, cache sessions": Server("peer_django", GRANIAN, {"BENCH_REDIS": redis}),
    }


def main() -> None:
    """Start, check, measure, print, keep."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fleet = servers(folder, stack.enter_context(redis_server(folder)))
        for name, server in fleet.items():
            print(f"starting {name} …", file=sys.stderr)
            visitors = folder / f"{server.port}.visitors"
            stack.enter_context(server.running(visitors, VISITORS))
        fleet[BARE].visited_by(fleet[OURS])
        reads = measure.interleaved(
            {n: (lambda s=s: s.drive("GET", "/me", SECONDS)) for n, s in fleet.items()}
        )
        posts = measure.interleaved(
            {n: (lambda s=s: s.drive("POST", "/note", SECONDS)) for n, s in fleet.items()}
        )
    measure.publish(
        "django",
        [*figures("GET", reads), *figures("POST", posts)],
        [*ratios("GET", reads), *ratios("POST", posts)],
        ("Django", "granian"),
    )


def ratios(method: str, samples: dict[str, list[Load]]) -> Iterator[measure.Ratio]:
    """Each chain over the bare view, by requests and by processor time."""
    bare = samples[BARE]
    for name, found in samples.items():
        if name != BARE:
            rates = [[each.rate for each in some] for some in (found, bare)]
            cpu = [over.cpu_us / under.cpu_us for over, under in zip(bare, found, strict=True)]
            must = MUST.get(f"{method} {name}")
            yield measure.ratio(
                f"{method} {name} / bare", *rates, must=must, at_most=False, cpu=cpu
            )


if __name__ == "__main__":
    main()
