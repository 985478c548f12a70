"""Durable rotation of refresh tokens through the service: 16 clients at once, each with its latest token.

The service has the first core, the clients the second. They are one event loop that writes requests by
hand: a client library would cost more than the service.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench import _measure as measure
from bench._drive import CLIENT_CPU, Load, cpu_s, free_port, service

CLIENTS = 16
EACH = 5 if measure.QUICK else 300
WHO = {"email": "ada@example.org", "password": "anything does"}


class Line(NamedTuple):
    """A connection that is kept open."""

    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def refresh_token(self, path: str, body: dict[str, str]) -> str:
        """The refresh token in the answer; stops everything if there is none."""
        text = json.dumps(body)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        self.writer.write(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(answer.partition("content-length:")[2].partition("\r\n")[0])
        return str(json.loads(await self.reader.readexactly(length))["refresh_token"])


async def client(line: Line, token: str) -> str:
    """One client's turn; its last token."""
    for _ in range(EACH):
        token = await line.refresh_token("/refresh", {"refresh_token": token})
    return token


async def rounds(port: int, pid: int) -> list[Load]:
    """What the service did, by round."""
    lines = [Line(port, *await asyncio.open_connection("127.0.0.1", port)) for _ in range(CLIENTS)]
    tokens = [await line.refresh_token("/login", WHO) for line in lines]
    loads = []
    for _ in range(measure.ROUNDS):
        spent, begun = cpu_s(pid), time.perf_counter()
        tokens = list(await asyncio.gather(*map(client, lines, tokens)))
        done, took = CLIENTS * EACH, time.perf_counter() - begun
        loads.append(Load(done / took, (cpu_s(pid) - spent) / done * 1e6))
    for line in lines:
        line.writer.close()
    return loads


def main() -> None:
    """Start, sign in, measure, print, keep."""
    os.sched_setaffinity(0, {CLIENT_CPU})
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as home,
        service(Path(home), port, RATE="1000000/15m") as pid,
    ):
        loads = asyncio.run(rounds(port, pid))
    name = "refresh, durable, 16 clients, through the service"
    rates = [load.rate for load in loads]
    measure.publish(
        "service_refresh",
        [measure.figure(name, "a second", rates, [load.cpu_us for load in loads])],
        [
            measure.ratio(
                f"{name}, over 1,500 a second", rates, [1500.0] * len(rates), must=1, at_most=False
            )
        ],
    )


if __name__ == "__main__":
    main()
