"""Whole chains behind a real server: requests a second, beside the bare framework and beside peers.

Every server is started at once on its own port and pinned to the first core; wrk and Redis have the
second. Each is checked before it is timed. In each round every server is driven in turn with 32
connections, 10,000 signed-in visitors one after another, so that drift hits all of them alike.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import _measure as measure
from bench._drive import Load, Server, redis_server

SECONDS = 1 if measure.QUICK else int(os.environ.get("HOLDFAST_BENCH_SECONDS", "3"))
# Few enough to sign in quickly, many enough that no two requests of one meet, also where a thread of Flask
# has to wait while hundreds go by: those that meet get 409.
VISITORS = 400 if measure.QUICK else int(os.environ.get("HOLDFAST_BENCH_VISITORS", "10000"))

UVICORN = [
    "uvicorn",
    "--log-level",
    "critical",
    "--no-access-log",
    "--loop",
    "uvloop",
    "--http",
    "httptools",
]
GRANIAN = [
    "granian",
    "--interface",
    "wsgi",
    "--workers",
    "1",
    "--blocking-threads",
    "8",
    "--log-level",
    "critical",
]


def servers(folder: Path, redis: str) -> dict[str, Server]:
    """Every server of the comparison, not yet started."""
    peers = {"BENCH_REDIS": redis}

    def sqlite(name: str) -> dict[str, str]:
        return {"HOLDFAST_STORE": f"sqlite:///{folder}/{name}.db"}

    memory = {"HOLDFAST_STORE": "memory://"}
    floor = {"FLOOR_STORE": f"{folder}/floor.db"}
    return {
        "Starlette, bare": Server("bare_starlette", UVICORN, {}, signs_in=False),
        "Starlette, Holdfast memory": Server("holdfast_starlette", UVICORN, memory),
        "Starlette, Holdfast SQLite": Server("holdfast_starlette", UVICORN, sqlite("asgi")),
        "Starlette, by hand in a dictionary": Server("floor_starlette", UVICORN, {}),
        "Starlette, by hand on SQLite": Server("floor_starlette", UVICORN, floor),
        "Starlette, starsessions set": Server("peer_starsessions", UVICORN, peers),
        "Flask, bare": Server("bare_flask", GRANIAN, {}, signs_in=False),
        "Flask, Holdfast memory": Server("holdfast_flask", GRANIAN, memory),
        "Flask, Holdfast SQLite": Server("holdfast_flask", GRANIAN, sqlite("wsgi")),
        "Flask, Flask-Session set": Server("peer_flask_session", GRANIAN, peers),
        "Flask, Flask-JWT-Extended": Server("peer_flask_jwt", GRANIAN, peers, posts=False),
    }


def main() -> None:
    """Start, check, measure, print, keep."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(redis_server(folder))
        fleet = servers(folder, redis)
        for name, server in fleet.items():
            print(f"starting {name} …", file=sys.stderr)
            stack.enter_context(server.running(folder / f"{server.port}.visitors", VISITORS))
        ask_the_bare_alike(fleet)
        reads = measure.interleaved(
            {n: (lambda s=s: s.drive("GET", "/me", SECONDS)) for n, s in fleet.items()}
        )
        writers = {n: s for n, s in fleet.items() if s.posts}
        posts = measure.interleaved(
            {n: (lambda s=s: s.drive("POST", "/note", SECONDS)) for n, s in writers.items()}
        )
    measure.publish(
        "chain",
        [*figures("GET", reads), *figures("POST", posts)],
        ratios(reads, posts),
        (
            "starlette",
            "uvicorn",
            "flask",
            "granian",
            "starsessions",
            "Flask-Session",
            "Flask-JWT-Extended",
        ),
    )


def ask_the_bare_alike(fleet: dict[str, Server]) -> None:
    """Send each bare framework the requests of the first chain over it: their headers cost it, too."""
    for name, server in fleet.items():
        framework, _, what = name.partition(", ")
        if what == "bare":
            chains = (n for n in fleet if n.startswith(f"{framework}, ") and n != name)
            server.visited_by(fleet[next(chains)])


def figures(method: str, samples: dict[str, list[Load]]) -> list[measure.Figure]:
    """Requests a second of each server, and its processor time for one."""
    return [
        measure.figure(
            f"{method} {name}", "req/s", [v.rate for v in some], [v.cpu_us for v in some]
        )
        for name, some in samples.items()
    ]


def ratios(reads: dict[str, list[Load]], posts: dict[str, list[Load]]) -> list[measure.Ratio]:
    """Each chain over its bare framework, against the targets."""
    targets = {
        "GET Starlette, Holdfast memory": (0.70, 0.80),
        "GET Starlette, Holdfast SQLite": (0.48, 0.60),
        "POST Starlette, Holdfast SQLite": (0.33, 0.40),
        "GET Flask, Holdfast SQLite": (0.75, 0.85),
        "POST Flask, Holdfast SQLite": (0.50, 0.60),
    }
    result = []
    for method, samples in (("GET", reads), ("POST", posts)):
        for name, values in samples.items():
            bare = f"{name.partition(',')[0]}, bare"
            if name != bare:
                must, aim = targets.get(f"{method} {name}", (None, None))
                result.append(
                    measure.ratio(
                        f"{method} {name} / bare",
                        [each.rate for each in values],
                        [each.rate for each in samples[bare]],
                        must=must, aim=aim, at_most=False,
                        cpu=[a.cpu_us / b.cpu_us for a, b in zip(samples[bare], values, strict=True)],
                    )
                )  # fmt: skip
    return result


if __name__ == "__main__":
    main()
