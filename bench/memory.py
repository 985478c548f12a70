"""Whether a process stays as large as it is: resident memory over a million requests."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from bench import _measure as measure

os.environ["HOLDFAST_STORE"] = "memory://"

from bench.servers import holdfast_starlette

REQUESTS = 2_000 if measure.QUICK else 1_000_000
VISITORS = 100
HOST = (b"host", b"127.0.0.1:8000")


def resident() -> float:
    """MB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def call(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """The first message of the answer."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "scheme": "http", "query_string": b"",
        "http_version": "1.1", "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        "headers": [HOST, (b"content-type", b"application/json"), *headers],
    }  # fmt: skip
    await holdfast_starlette.app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    return dict(sent[0])


async def grown() -> tuple[float, float]:
    """Resident memory after the first tenth of the requests, and after all."""
    cookies = []
    for number in range(VISITORS):
        answer = await call("POST", f"/login/{number}")
        text = next(value for name, value in answer["headers"] if name == b"set-cookie")
        cookies.append((b"cookie", text.split(b";")[0]))
    early = 0.0
    for turn in range(REQUESTS):
        if turn == REQUESTS // 10:
            early = resident()
        await call("GET", "/me", cookies[turn % VISITORS])
    return early, resident()


def main() -> None:
    """Measure, print, keep."""
    early, late = asyncio.run(grown())
    measure.publish(
        "memory",
        [
            measure.figure(f"resident after {REQUESTS // 10:,} requests", "MB", [early]),
            measure.figure(f"resident after {REQUESTS:,} requests", "MB", [late]),
        ],
        [measure.ratio("resident at the end over the beginning", [late], [early], must=1.05)],
    )


if __name__ == "__main__":
    main()
