"""What the chain costs by itself, and what it costs beside a framework: code that is read in costs both.

A processor keeps the last code and its branches at hand. A loop over the chain alone, or over the framework
alone, fits there; both in turn do not, and each is slower for it. A ratio that a loop over one of them
promises is therefore not the one that a server shows. Everything runs in this process, no server is asked.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from bench import _measure as measure
from bench.servers.bare_starlette import app as framework
from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.web.asgi import HoldfastMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

REQUESTS, BURSTS = (50, 2) if measure.QUICK else (500, 20)
_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
_BODY = {"type": "http.response.body", "body": b""}


def scope(path: str, headers: list[tuple[bytes, bytes]], method: str = "GET") -> dict[str, Any]:
    """A request from this machine, as a server describes it."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:8000"), *headers],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def receive() -> dict[str, Any]:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    """A client that takes what comes."""


async def empty(_scope: Any, _receive: Any, send: Any) -> None:
    """An application that answers at once."""
    await send(_START)
    await send(_BODY)


async def cookie_of(chain: Any) -> bytes:
    """The cookie of somebody who has signed in."""
    sent: list[Any] = []

    async def take(message: Any) -> None:
        sent.append(message)

    async def sign_in(scope: Any, _receive: Any, send: Any) -> None:
        scope["session"].sign_in("ada")
        await empty(scope, _receive, send)

    asked = scope("/", [(b"content-type", b"application/json")], "POST")
    await HoldfastMiddleware(sign_in, chain)(asked, receive, take)
    headers = dict(sent[0]["headers"])
    return bytes(headers[b"set-cookie"].partition(b";")[0])


async def burst(apps: tuple[App, ...], cookie: bytes) -> float:
    """The least microseconds that a request to each of these, one after the other, costs."""
    best = float("inf")
    for _ in range(BURSTS):
        asked = [[scope("/me", [(b"cookie", cookie)]) for _ in apps] for _ in range(REQUESTS)]
        begun = time.thread_time_ns()
        for scopes in asked:
            for app, each in zip(apps, scopes, strict=True):
                await app(each, receive, send)
        best = min(best, (time.thread_time_ns() - begun) / REQUESTS / 1000)
    return best


async def measured() -> dict[str, list[float]]:
    """All subjects in turn, round by round."""
    settings = Settings.for_development()
    assembly = assemble(settings, secret=secrets.token_urlsafe(32), store="memory://")
    chain = assembly.chain
    cookie = await cookie_of(chain)
    subjects: dict[str, tuple[App, ...]] = {
        "Starlette alone": (framework,),
        "the chain alone": (HoldfastMiddleware(empty, chain),),
        "one after the other": (framework, HoldfastMiddleware(empty, chain)),
        "the chain around Starlette": (HoldfastMiddleware(framework, chain),),
    }
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(measure.ROUNDS):
        for name, apps in subjects.items():
            samples[name].append(await burst(apps, cookie))
    assembly.close()
    return samples


def main() -> None:
    """Measure, print, keep."""
    logging.getLogger("holdfast").setLevel(logging.ERROR)
    samples = asyncio.run(measured())
    alone, chain, in_turn, around = samples.values()
    both = [a + b for a, b in zip(alone, chain, strict=True)]
    measure.publish(
        "footprint",
        [measure.figure(name, "us of CPU", values) for name, values in samples.items()],
        [
            measure.ratio("one after the other / sum of both alone", in_turn, both),
            measure.ratio("the chain around Starlette / sum of both alone", around, both),
        ],
        ("starlette",),
    )


if __name__ == "__main__":
    main()
