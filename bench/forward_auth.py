"""Forward-auth: decisions a second on one core, and what nginx adds to a request that it asks about.

One signed-in visitor, again and again, over 32 connections. The service runs on the first core, wrk,
nginx and the application behind it on the other. A median of the time of a request means little where
the clients wait for nothing but the next answer, so it is also taken with clients that pause.

How much a core does differs between machines by more than a goal allows. The 12,000 decisions were
asked for where an empty ASGI application answers 40,000 requests a second on one core, so an empty
one runs beside the service here, too.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import _measure as measure
from bench._drive import (
    CLIENT_CPU,
    SERVER_CPU,
    cpu_s,
    free_port,
    pinned,
    process,
    service,
    wrk,
)
from bench.chain import SECONDS, UVICORN

ROOT = Path(__file__).parent.parent
PAUSE_MS = 10
SHARE = 12_000 / 40_000
"""The decisions that were asked for, of what an empty application answers."""


def cookie_of(port: int) -> str:
    """The cookie of somebody who has signed in at the service."""
    client = http.client.HTTPConnection("localhost", port)
    client.request("GET", "/csrf-token")
    answer = client.getresponse()
    jar = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    token = json.loads(answer.read())["csrfToken"]
    kind = {"Content-Type": "application/json", "X-CSRF-Token": token, "Cookie": jar}
    body = json.dumps({"email": "ann@example.org", "password": "any"})
    client.request("POST", "/api/login", body, kind)
    answer = client.getresponse()
    answer.read()
    cookies = [text for name, text in answer.getheaders() if name.lower() == "set-cookie"]
    return next(text.partition(";")[0] for text in cookies if text.startswith("session="))


def empty(stack: ExitStack, cpu: int) -> tuple[int, int]:
    """The port and process id of an empty ASGI application on this core."""
    port = free_port()
    command = [*pinned(cpu), sys.executable, "-m", *UVICORN, "--port", str(port)]
    return port, stack.enter_context(process([*command, "bench.servers.bare_asgi:app"], port))


def cost(pid: int, url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Requests a second, and the microseconds of processor time that each cost the process."""
    before = cpu_s(pid)
    rate, _, count = drive(url, headers)
    return rate, (cpu_s(pid) - before) / count * 1e6


def drive(url: str, headers: dict[str, str], script: str = "") -> tuple[float, float, int]:
    """Requests a second, median milliseconds and how many there were; stops if one is not 200."""
    lines = [each for name, text in headers.items() for each in ("-H", f"{name}: {text}")]
    said = subprocess.run(
        [*wrk(SECONDS), "--latency", *lines, *(["-s", script] if script else []), url],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in said:
        raise SystemExit(f"{url}: not every answer was 200")
    rate, total = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"(\d+) requests", said)
    median = re.search(r"50%\s+([\d.]+)(us|ms|s)", said)
    assert rate is not None
    assert total is not None
    assert median is not None
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[median[2]]
    return float(rate[1]), float(median[1]) * scale, int(total[1])


def nginx(stack: ExitStack, folder: Path, service_port: int, application: int) -> int:
    """The shipped configuration on free ports; the port of nginx."""
    port = free_port()
    text = (ROOT / "examples" / "forward-auth" / "nginx.conf").read_text()
    for shipped, ours in ((":8080", service_port), (":9000", application), (":8000", port)):
        text = text.replace(shipped, f":{ours}")
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {name}_temp_path {folder}/{name};\n" for name in places)
    text = text.replace("http {\n", f"http {{\n    access_log off;\n{temporary}", 1)
    text = text.replace("worker_processes auto;", "worker_processes 1;")
    upstream = f"server 127.0.0.1:{application};"
    text = text.replace(upstream, f"{upstream} keepalive 32;")
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"{user}pid {folder}/pid;\nerror_log stderr;\n{text}")
    command = [*pinned(CLIENT_CPU), "nginx", "-p", str(folder), "-c", "nginx.conf"]
    stack.enter_context(process([*command, "-g", "daemon off;"], port))
    return port


def main() -> None:
    """Start, check, measure, print, keep."""
    if shutil.which("nginx") is None:
        raise SystemExit("needs nginx; on Debian: apt-get install nginx")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        pid = stack.enter_context(service(folder / "home", port, TRUSTED_PROXIES="127.0.0.1"))
        behind, _ = empty(stack, CLIENT_CPU)
        front = nginx(stack, folder, port, behind)
        pausing = folder / "pause.lua"
        pausing.write_text(f"function delay() return {PAUSE_MS} end\n")
        run(port, front, pid, str(pausing), empty(stack, SERVER_CPU))


def run(port: int, front: int, pid: int, pausing: str, beside: tuple[int, int]) -> None:
    """The rounds: questions, an empty application, requests as fast as answered, who pauses."""
    who = {"Cookie": cookie_of(port)}
    host = f"localhost:{front}"
    question = {
        "Host": host,
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": "/page?a=b",
        "X-Forwarded-Host": host,
        "X-Forwarded-Proto": "http",
        "X-Forwarded-For": "127.0.0.1",
    }
    rates: list[float] = []
    costs: list[float] = []
    bare: list[float] = []
    medians: dict[str, list[float]] = {"as fast as answered": [], f"pausing {PAUSE_MS} ms": []}
    for _ in range(measure.ROUNDS):
        rate, each = cost(pid, f"http://127.0.0.1:{port}/forward-auth", question | who)
        rates.append(rate)
        costs.append(each)
        bare.append(cost(beside[1], f"http://127.0.0.1:{beside[0]}/", {})[1])
        for name, script in zip(medians, ("", pausing), strict=True):
            medians[name].append(
                drive(f"http://127.0.0.1:{front}/", {"Host": host} | who, script)[1]
            )
    per_core = [1e6 / cost for cost in costs]
    figures = [
        measure.figure("decisions, over the wire", "req/s", rates),
        measure.figure("decisions, per second of CPU", "req/s", per_core),
        measure.figure("a decision", "us of CPU", costs),
        measure.figure("a request to an empty application", "us of CPU", bare),
        *(measure.figure(f"nginx and decision, median, {n}", "ms", v) for n, v in medians.items()),
    ]
    goals = [
        measure.ratio(
            "decisions a core / 12,000", per_core, [12_000.0] * len(per_core), must=1, at_most=False
        ),
        measure.ratio("decisions a core / empty requests", bare, costs, must=SHARE, at_most=False),
        measure.ratio(
            "median of who pauses / 2 ms", [*medians.values()][1], [2.0] * len(rates), must=1
        ),
    ]
    measure.publish("forward_auth", figures, goals, ("uvicorn", "httptools", "uvloop"))


if __name__ == "__main__":
    main()
