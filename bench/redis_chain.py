"""Whole chains on Redis behind a real server, beside the bare framework and beside peers.

As `bench.chain`: one core for the server that is driven, the other for wrk and Redis, 32 connections, 10,000
signed-in visitors one after another, interleaved rounds. *Near cache* keeps hot sessions in the process;
*strict* asks Redis at every request.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import _measure as measure
from bench._drive import Server, redis_server
from bench.chain import GRANIAN, SECONDS, UVICORN, VISITORS, ask_the_bare_alike, figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench._drive import Load

TARGETS = {
    "GET Starlette, Holdfast near cache": (0.70, 0.80),
    "GET Starlette, Holdfast strict": (0.55, 0.65),
    "POST Starlette, Holdfast near cache": (0.40, 0.50),
    "POST Starlette, Holdfast strict": (0.40, 0.50),
    "GET Flask, Holdfast near cache": (0.75, 0.85),
    "GET Flask, Holdfast strict": (0.50, 0.60),
    "POST Flask, Holdfast near cache": (0.40, 0.50),
    "POST Flask, Holdfast strict": (0.40, 0.50),
}
PACKAGES = (
    "starlette", "uvicorn", "flask", "granian", "django", "redis", "hiredis", "starsessions", "starlette-csrf",
    "limits", "Flask-Session", "Flask-WTF", "Flask-Limiter",
)  # fmt: skip


def servers(redis: str) -> dict[str, Server]:
    """Every server of the comparison, not yet started; each has keys of its own."""
    peers = {"BENCH_REDIS": redis}

    def ours(name: str, cache: str) -> dict[str, str]:
        return {"HOLDFAST_STORE": f"{redis}?prefix={name}", "HOLDFAST_CACHE": cache}

    return {
        "Starlette, bare": Server("bare_starlette", UVICORN, {}, signs_in=False),
        "Starlette, Holdfast near cache": Server("holdfast_starlette", UVICORN, ours("a1", "yes")),
        "Starlette, Holdfast strict": Server("holdfast_starlette", UVICORN, ours("a2", "no")),
        "Starlette, starsessions set": Server("peer_starsessions", UVICORN, peers),
        "Flask, bare": Server("bare_flask", GRANIAN, {}, signs_in=False),
        "Flask, Holdfast near cache": Server("holdfast_flask", GRANIAN, ours("w1", "yes")),
        "Flask, Holdfast strict": Server("holdfast_flask", GRANIAN, ours("w2", "no")),
        "Flask, Flask-Session set": Server("peer_flask_session", GRANIAN, peers),
        "Django, bare": Server("bare_django", GRANIAN, {}, signs_in=False),
        "Django, cache sessions": Server("peer_django", GRANIAN, peers),
    }


def main() -> None:
    """Start, check, measure, print, keep."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fleet = servers(stack.enter_context(redis_server(folder)))
        for name, server in fleet.items():
            print(f"starting {name} …", file=sys.stderr)
            stack.enter_context(server.running(folder / f"{server.port}.visitors", VISITORS))
        ask_the_bare_alike(fleet)
        reads = measure.interleaved(
            {n: (lambda s=s: s.drive("GET", "/me", SECONDS)) for n, s in fleet.items()}
        )
        posts = measure.interleaved(
            {n: (lambda s=s: s.drive("POST", "/note", SECONDS)) for n, s in fleet.items()}
        )
    shown = [measure.figure("visitors in turn", "sessions", [float(VISITORS)])]
    shown += [*figures("GET", reads), *figures("POST", posts)]
    measure.publish("redis_chain", shown, [*ratios("GET", reads), *ratios("POST", posts)], PACKAGES)


def ratios(method: str, samples: dict[str, list[Load]]) -> Iterator[measure.Ratio]:
    """Each chain over its bare framework, by requests and by processor time, against the targets."""
    for name, found in samples.items():
        bare = samples[f"{name.partition(',')[0]}, bare"]
        if found is bare:
            continue
        must, aim = TARGETS.get(f"{method} {name}", (None, None))
        rates = [[each.rate for each in some] for some in (found, bare)]
        cpu = [over.cpu_us / under.cpu_us for over, under in zip(bare, found, strict=True)]
        yield measure.ratio(
            f"{method} {name} / bare", *rates, must=must, aim=aim, at_most=False, cpu=cpu
        )


if __name__ == "__main__":
    main()
