"""The Redis store on a server of its own: connections, `begin`, memory. Lists are in `bench.crowd`.

get      one point read over our connections, beside the same over redis-py: threads, and 16 tasks
begin    the whole reading of a session at 16 in flight, beside a bare GET over the same connection
hot      the same of a session that the near cache holds, beside a bare point read of the same rows of SQLite
memory   bytes of Redis for a signed-in session, index included, without and with the client's facts
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import redis
import redis.asyncio

from bench import _measure as measure
from bench import micro
from holdfast import AsyncSessions, KeyRing, Session, Sessions, Settings
from holdfast.assembly import Assembly, assemble, now_ms
from holdfast.protocols import ClientFacts
from holdfast.stores import open_both
from holdfast.stores.redis import AsyncRedisStore
from holdfast.stores.redis.wire import pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Make = Callable[[], Awaitable[Callable[[], Awaitable[object]]]]
    Clock = Callable[[], int]

PORT = int(os.environ.get("HOLDFAST_BENCH_REDIS_PORT", "17479"))
URL = f"redis://127.0.0.1:{PORT}"
IN_FLIGHT = 16
CALLS, LIVE, STORED = (160, 50, 200) if measure.QUICK else (4_000, 1_000, 20_000)
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
    " Safari/537.36"
)


def signed_in(count: int, client: ClientFacts, prefix: str) -> list[str]:
    """Cookies of so many sessions, 5 for each user, with two claims, 100 bytes of data, a family."""
    store = open_both(f"{URL}?prefix={prefix}").blocking
    ring = KeyRing.from_secrets([os.urandom(32).hex()], environment="production")
    sessions = Sessions(store, Settings(), ring, clock=now_ms, entropy=os.urandom)
    cookies: list[str] = []
    for number in range(count):
        session = Session(client=client)
        session["d"] = "x" * 92
        sessions.sign_in(session, f"user-{number // 5}", role="user", email="user@example.org")
        sessions.issue_tokens(session)
        cookies.append(session.cookie or "")
    store.close()
    return cookies


def bytes_per_session(server: redis.Redis, client: ClientFacts) -> float:
    """What Redis holds in addition, for each of many sessions."""
    server.flushall()
    before = server.info("memory")["used_memory"]
    signed_in(STORED, client, "hf")
    return (server.info("memory")["used_memory"] - before) / STORED


async def per_task(ask: Callable[[], Awaitable[object]], clock: Clock) -> float:
    """Microseconds a call, 16 in flight."""

    async def work() -> None:
        for _ in range(CALLS // IN_FLIGHT):
            await ask()

    start = clock()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return (clock() - start) / CALLS / 1000


def in_loop(make: Make, clock: Clock = time.perf_counter_ns) -> float:
    """The same, in an event loop of its own, warmed up."""

    async def main() -> float:
        ask = await make()
        await ask()
        return await per_task(ask, clock)

    return asyncio.run(main())


async def bare_wire() -> Callable[[], Awaitable[object]]:
    """A bare GET over our connection."""
    store = open_both(URL).asynchronous
    assert isinstance(store, AsyncRedisStore)
    await store.salt()
    address = store.core.topology.primaries()[0]
    payload, wires = pack([("GET", "value")]), store.client.wires
    return lambda: wires.send(address, payload, 1, seconds=5.0)


async def other_client() -> Callable[[], Awaitable[object]]:
    """The same over redis-py, with a pool for all in flight."""
    client = redis.asyncio.Redis(port=PORT, max_connections=IN_FLIGHT)
    return lambda: client.get("value")


def begin(cookies: list[str]) -> Make:
    """The whole reading of a session."""

    async def make() -> Callable[[], Awaitable[object]]:
        store = open_both(URL).asynchronous
        ring = KeyRing.from_secrets([os.urandom(32).hex()], environment="production")
        sessions = AsyncSessions(
            store, Settings(), ring, clock=now_ms, entropy=os.urandom, collect=lambda _: None
        )
        turn = cycle(cookies)
        return lambda: sessions.begin(next(turn))

    return make


def hot_begin(parts: Assembly, cookies: list[str]) -> float:
    """Microseconds of `begin` for sessions that the near cache holds; it is filled first."""
    for cookie in cookies:
        while not parts.blocking_store.get(cookie.split(".")[1], now=0).cached:
            time.sleep(0.001)
    turn, nobody = cycle(cookies), ClientFacts()

    def begin_at_once() -> None:
        if parts.sessions.begin_at_once(next(turn), nobody, None) is None:
            raise RuntimeError("the near cache has lost a session")

    return measure.per_call(begin_at_once, CALLS)


def blocking_get() -> float:
    """One point read over our connection for threads."""
    store = open_both(URL).blocking
    store.salt()
    took = measure.per_call(lambda: store.get("aa1" + "A" * 22, now=0), CALLS)
    store.close()
    return took


def run(server: redis.Redis, folder: Path) -> None:
    """All of it, on an empty server."""
    nobody, somebody = ClientFacts(), ClientFacts("192.0.2.17", AGENT)
    with_client = bytes_per_session(server, somebody)
    server.flushall()
    without = bytes_per_session(server, nobody)
    server.set("value", b"x" * 300)
    cookies = signed_in(LIVE, nobody, "hf")
    simple = redis.Redis(port=PORT)
    parts = assemble(Settings(cache=True), secret=os.urandom(32).hex(), store=URL, audit=[])
    ring = KeyRing.from_secrets([os.urandom(32).hex()], environment="production")
    sqlite = micro.Subject(f"sqlite:///{folder}/holdfast.db", ring, Settings())
    point_read = micro.point_read(folder / "holdfast.db", sqlite.ids)
    found = measure.interleaved(
        {
            "redis-py GET, one thread": lambda: measure.per_call(
                lambda: simple.get("value"), CALLS
            ),
            "get, one thread": blocking_get,
            "redis-py GET, 16 in flight": lambda: in_loop(other_client),
            "bare GET, 16 in flight": lambda: in_loop(bare_wire),
            "begin, 16 in flight": lambda: in_loop(begin(cookies)),
            "bare GET, our CPU": lambda: in_loop(bare_wire, time.process_time_ns),
            "begin, our CPU": lambda: in_loop(begin(cookies), time.process_time_ns),
            "bare SQLite point read": lambda: measure.per_call(point_read, CALLS),
            "begin, near cache hot": lambda: hot_begin(parts, cookies),
        }
    )
    simple.close()
    parts.close()
    figures = [measure.figure(name, "µs", values) for name, values in found.items()]
    figures += [
        measure.figure("memory of a session, no client", "bytes", [without]),
        measure.figure("memory of a session, with client", "bytes", [with_client]),
    ]
    bare, asked = found["bare GET, 16 in flight"], found["begin, 16 in flight"]
    ratios = [
        measure.ratio(
            "bare GET / redis-py, 16 in flight", bare, found["redis-py GET, 16 in flight"]
        ),
        measure.ratio("begin / bare GET, 16 in flight", asked, bare, must=3),
        measure.ratio(
            "begin / bare GET, our CPU", found["begin, our CPU"], found["bare GET, our CPU"], must=3
        ),
        measure.ratio(
            "begin, near cache hot / SQLite point read",
            found["begin, near cache hot"],
            found["bare SQLite point read"],
            must=6 / micro.READ_US,
        ),
        measure.ratio("memory / 560 bytes", [without], [560], must=1),
    ]
    measure.publish("redis_store", figures, ratios, ("redis", "hiredis"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(PORT), "--save", "", "--bind", "127.0.0.1", "--dir", folder]
        process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        server = redis.Redis(port=PORT)
        try:
            for _ in range(200):
                try:
                    server.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.02)
            run(server, Path(folder))
        finally:
            server.close()
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
