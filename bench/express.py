"""Express' chain: requests a second beside the bare handler, and beside what applications glue together.

One core for the server that is driven, the other for wrk, Redis and the service; 32 connections, signed-in
visitors one after another, interleaved rounds. Both chains keep their sessions in the same Redis. The bare
handler gets the requests of our chain, cookies and all. Before the first round each visitor has been there
once, so that what is measured of a GET is a hot session.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from scripts import npm

from bench import _measure as measure
from bench._drive import CLIENT_CPU, NodeServer, free_port, redis_server, service
from bench.chain import SECONDS, figures

if TYPE_CHECKING:
    from bench._drive import Load

PACKAGE = Path(__file__).parent.parent / "express"
SERVERS = Path(__file__).parent / "servers" / "express"
VISITORS = 100 if measure.QUICK else 1_000
BARE, OURS, PEERS = "Express, bare", "Express, Holdfast", "Express, express-session set"


def prepared() -> Path:
    """Node, when what the servers import has been installed and built."""
    node = npm.node()
    if node is None:
        raise SystemExit(npm.MISSING)
    npm.install(node, SERVERS)
    npm.install(node, PACKAGE)
    if not built():
        build = npm.command(node, "run", "build")
        subprocess.run(build, cwd=PACKAGE, env=npm.environment(node), stdout=sys.stderr, check=True)
    return node


def built() -> bool:
    """Whether the package is newer than its sources; the last file of a build says so."""
    last = PACKAGE / "dist" / "cjs" / "package.json"
    sources = [PACKAGE / "tsconfig.json", *PACKAGE.glob("src/**/*.ts")]
    return last.exists() and last.stat().st_mtime > max(each.stat().st_mtime for each in sources)


def versions(node: Path) -> dict[str, str]:
    """Of Node and of what the servers import."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    found = {"node": said.strip().removeprefix("v")}
    for name in json.loads((SERVERS / "package.json").read_text())["dependencies"]:
        installed = SERVERS / "node_modules" / name / "package.json"
        found[name] = json.loads(installed.read_text())["version"]
    return found


def servers(stack: ExitStack, folder: Path, node: Path) -> dict[str, NodeServer]:
    """Every server of the comparison, not yet started; the service and Redis run."""
    redis, port = stack.enter_context(redis_server(folder)), free_port()
    said = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", "service-key", "bench", "--json"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    made = json.loads(said)
    given = {"STORE": redis, "CACHE": "yes", "RATE": "1000000/15m", "SERVICE_KEYS": made["entry"]}
    stack.enter_context(service(folder / "home", port, cpu=CLIENT_CPU, **given))
    ours = {"SERVICE_URL": f"http://127.0.0.1:{port}", "SERVICE_KEY": made["key"]}
    program = ["NODE_ENV=production", str(node)]
    return {
        BARE: NodeServer("bare", program, {}, signs_in=False),
        OURS: NodeServer("holdfast", program, ours),
        PEERS: NodeServer("peer", program, {"BENCH_REDIS": redis}),
    }


def main() -> None:
    """Start, check, measure, print, keep."""
    node = prepared()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fleet = servers(stack, folder, node)
        for name, server in fleet.items():
            print(f"starting {name} …", file=sys.stderr)
            stack.enter_context(server.running(folder / f"{server.port}.visitors", VISITORS))
            server.drive("GET", "/me", SECONDS)  # until it is compiled
            server.warm("/me")
        fleet[BARE].visited_by(fleet[OURS])
        reads = measure.interleaved(
            {n: (lambda s=s: s.drive("GET", "/me", SECONDS)) for n, s in fleet.items()}
        )
        posts = measure.interleaved(
            {n: (lambda s=s: s.drive("POST", "/note", SECONDS)) for n, s in fleet.items()}
        )
    shown = [measure.figure("visitors in turn", "sessions", [float(VISITORS)])]
    shown += [*figures("GET", reads), *figures("POST", posts)]
    goals = [
        _over("GET", reads, OURS, BARE, must=0.8),
        _over("GET", reads, OURS, PEERS, must=2.0),
        _over("GET", reads, PEERS, BARE),
        _over("POST", posts, OURS, BARE),
        _over("POST", posts, OURS, PEERS),
    ]
    measure.publish("express", shown, goals, others=versions(node))


def _over(
    method: str, samples: dict[str, list[Load]], over: str, under: str, must: float | None = None
) -> measure.Ratio:
    rates = [[each.rate for each in samples[name]] for name in (over, under)]
    pairs = zip(samples[under], samples[over], strict=True)
    cpu = [below.cpu_us / above.cpu_us for below, above in pairs]
    name = f"{method} {over} / {under.partition(', ')[2]}"
    return measure.ratio(name, *rates, must=must, at_most=False, cpu=cpu)


if __name__ == "__main__":
    main()
