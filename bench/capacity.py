"""What a session and a command cost on each store, and from that what 1, 10 and 100 million need.

The tables of docs/explanation/scale.md are made of the results that are kept. `--page` makes them
anew without measuring, `--check` only says whether the page agrees.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import _engines, _needs
from bench import _measure as measure
from holdfast import KeyRing, Session, Sessions, Settings
from holdfast.assembly import now_ms
from holdfast.protocols import ClientFacts, Take
from holdfast.record import changed
from holdfast.stores import open_both

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bench._engines import Engine
    from holdfast.protocols import AsyncStore, Store
    from holdfast.record import Record

    Verb = Callable[[Record], Awaitable[object]]

STORED, CALLS = (200, 50) if measure.QUICK else (20_000, 1_500)
BURSTS = measure.ROUNDS
MILLIONS = (1, 10, 100)
PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "scale.md"
SOMEBODY = ClientFacts(
    "192.0.2.17",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
)
NOBODY = ClientFacts()
SHARDED = {"Redis", "Redis Cluster"}
IN_FLIGHT = 16
KINDS = ("read", "read with quota", "change", "touch", "log-out")


class Spent(NamedTuple):
    """CPU for one call, in µs: the engine's, and our own, which has SQLite's in it."""

    engine: float
    client: float


def signed_in(store: Store, client: ClientFacts, count: int, owner: str) -> list[Record]:
    """Sessions, 5 for each user, with two claims, 100 bytes of data and a refresh family."""
    ring = KeyRing.from_secrets([os.urandom(32).hex()], environment="production")
    sessions = Sessions(store, Settings(), ring, clock=now_ms, entropy=os.urandom)
    records: list[Record] = []
    for number in range(count):
        session = Session(client=client)
        session["d"] = "x" * 92
        sessions.sign_in(session, f"{owner}-{number // 5}", role="user", email="user@example.org")
        sessions.issue_tokens(session)
        assert session.record is not None
        records.append(session.record)
    return records


def operations(store: AsyncStore) -> dict[str, Verb]:
    """What is done to one record, by the names of `KINDS`."""

    def take(record: Record) -> Awaitable[object]:
        wanted = Take(f"s/{record.id}/100/900000", 100, 900_000, record.secret_hash)
        return store.get(record.id, now=now_ms(), take=wanted)

    def change(record: Record) -> Awaitable[object]:
        newer = changed(record, version=record.version ^ 1, data=b'{"d":"y"}')
        return store.update(newer, expected=record.version)

    def touch(record: Record) -> Awaitable[object]:
        return store.touch(record.id, seen_at=now_ms() + 60_000, expires_at=record.expires_at)

    verbs: tuple[Verb, ...] = (
        lambda record: store.get(record.id, now=now_ms()),
        take,
        change,
        touch,
        lambda record: store.delete(record.id),
    )
    return dict(zip(KINDS, verbs, strict=True))


async def burst(engine: Engine, verb: Verb, records: list[Record]) -> Spent:
    """What one call costs when 16 are in flight."""
    waiting = iter(records)

    async def work() -> None:
        for record in waiting:
            await verb(record)

    engines = engine.cpu or (lambda: 0)
    theirs, ours = engines(), time.process_time_ns()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    spent = (engines() - theirs, time.process_time_ns() - ours)
    return Spent(*(each / len(records) / 1000 for each in spent))


async def bursts(
    engine: Engine, store: AsyncStore, records: list[Record]
) -> dict[str, list[Spent]]:
    """Several of each kind; those of one turn work on the same records."""
    spent: dict[str, list[Spent]] = {kind: [] for kind in KINDS}
    await store.get(records[0].id, now=now_ms())
    for turn in range(BURSTS):
        some = records[turn * CALLS : (turn + 1) * CALLS]
        for kind, verb in operations(store).items():
            spent[kind].append(await burst(engine, verb, some))
    return spent


def measured(engine: Engine) -> Iterator[measure.Figure]:
    """All figures of one engine."""
    opened = open_both(engine.url)
    store = opened.blocking
    signed_in(store, NOBODY, 1, "first")
    records: list[Record] = []
    for name, client in (("without client", NOBODY), ("with client", SOMEBODY)):
        before = engine.size()
        records = signed_in(store, client, STORED, name[:5])
        each = (engine.size() - before) / STORED
        yield measure.figure(f"{engine.name}: session {name}", "bytes", [each])
    for kind, samples in asyncio.run(bursts(engine, opened.asynchronous, records)).items():
        if engine.cpu:
            yield measure.figure(
                f"{engine.name}: {kind}, engine", "µs", [s.engine for s in samples]
            )
        yield measure.figure(f"{engine.name}: {kind}, client", "µs", [s.client for s in samples])
    store.close()


def main() -> None:
    """Measure every engine, print, keep, and renew the page."""
    if "--page" not in sys.argv and "--check" not in sys.argv:
        figures: list[measure.Figure] = []
        for engine in _engines.ALL:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                figures += measured(stack.enter_context(engine(folder)))
        least = next(each for each in figures if each.name == "Redis: session without client")
        ratio = measure.ratio("Redis session / 560 bytes", [least.median], [560.0], must=1)
        measure.publish("capacity", figures, [ratio], ("redis", "hiredis", "psycopg"))
        if measure.QUICK:
            return
    page = PAGE.read_text()
    newer = with_tables(page, json.loads((measure.RESULTS / "capacity.json").read_text()))
    if "--check" in sys.argv:
        raise SystemExit(0 if newer == page else f"{PAGE.name} does not agree with the results")
    PAGE.write_text(newer)


def with_tables(page: str, run: dict[str, Any]) -> str:
    """The page with its tables made anew."""
    found = {each["name"]: each["median"] for each in run["figures"]}
    for name, table in (("costs", costs_table(found)), ("needs", needs_table(found))):
        begin, end = f"% {name}: made by bench/capacity.py\n", f"% end of {name}\n"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return page


def costs_table(found: dict[str, float]) -> str:
    """What one session and one command cost on each engine."""
    names = [name.partition(":")[0] for name in found if name.endswith("without client")]
    rows = ["| |" + "|".join(f" {name} " for name in names) + "|", "|---|" + "---:|" * len(names)]
    for label in ("session without client", "session with client"):
        values = [f" {found[f'{name}: {label}']:,.0f} bytes " for name in names]
        rows.append(f"| {label} |{'|'.join(values)}|")
    for side in ("engine", "client"):
        for kind in KINDS:
            found_values = [found.get(f"{name}: {kind}, {side}") for name in names]
            cells = ["  " if value is None else f" {value:,.1f} µs " for value in found_values]
            rows.append(f"| {kind}, CPU of the {side} |{'|'.join(cells)}|")
    return "\n".join(rows) + "\n"


def costs_of(found: dict[str, float], name: str) -> _needs.Costs:
    """The figures of one engine that the formulas need; the session with client."""
    cpu = {kind: found[f"{name}: {kind}, engine"] for kind in KINDS}
    return _needs.Costs(
        found[f"{name}: session with client"], cpu["read"], cpu["touch"], cpu["change"]
    )


def needs_table(found: dict[str, float]) -> str:
    """What so many million sessions need, without a near cache and with one that answers 9 of 10."""
    rows = [
        "| live sessions | requests/s | engine | near cache answers | cores | GB | topology |",
        "|---:|---:|---|---:|---:|---:|---|",
    ]
    for millions in MILLIONS:
        for name in ("Redis Cluster", "PostgreSQL"):
            sharded = name in SHARDED
            for hits in (0.0, 0.9):
                costs = costs_of(found, name)
                each = _needs.needs(costs, millions * 10**6, hits, sharded=sharded)
                rows.append(
                    f"| {millions} million | {each.requests:,.0f} | {name.removesuffix(' Cluster')} |"
                    f" {hits:.0%} | {each.cores:,.1f} | {each.gigabytes:,.1f} |"
                    f" {_needs.topology(each, sharded=sharded)} |"
                )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
