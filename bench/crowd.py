"""One user's ten sessions, and everybody's end, among ten thousand sessions and among a million.

The same on a small and on a large store of each kind, in interleaved rounds. SQLite has `bench.scale`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench import _engines
from bench import _measure as measure
from holdfast import KeyRing, Session, Sessions, Settings
from holdfast.assembly import now_ms
from holdfast.stores import open_both
from holdfast.testing.contracts.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bench._engines import Engine

SIZES = (
    (200, 1_000)
    if measure.QUICK
    else (10_000, int(os.environ.get("HOLDFAST_BENCH_CROWD", "1000000")))
)
USERS = 2 if measure.QUICK else 40
PER_USER = 10
IN_FLIGHT = 256
_COPY = """
INSERT INTO holdfast.sessions SELECT (jsonb_populate_record(s, jsonb_build_object(
    'id', 'aa1' || lpad(n::text, 21, '0') || 'A',
    'subject', 'other-' || n / 10))).*
FROM holdfast.sessions s, generate_series(1, %s) n WHERE s.id = %s"""


async def fill(engine: Engine, count: int) -> None:
    """So many sessions, ten for each of others, through the store itself."""
    opened = open_both(engine.url)
    samples, store = Samples(opened.blocking, now_ms), opened.asynchronous
    waiting = iter(range(count))

    async def work() -> None:
        for number in waiting:
            record = samples.record(f"other-{number // PER_USER}")
            await store.insert(record, now=now_ms())

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    await store.close()


def copied(engine: Engine, count: int) -> None:
    """The same in PostgreSQL, copied by the server from one session."""
    store = open_both(engine.url).blocking
    model = Samples(store, now_ms).stored("model")
    store.close()
    with psycopg.connect(engine.url) as connection:
        connection.execute(_COPY, (count, model.id))
        connection.execute("ANALYZE")


class Crowd:
    """A store with this many sessions, and the engine over it."""

    def __init__(self, engine: Engine, count: int) -> None:
        self.name = engine.name
        if engine.url.startswith("postgresql"):
            copied(engine, count)
        else:
            asyncio.run(fill(engine, count))
        ring = KeyRing.from_secrets([secrets.token_hex(32)], environment="production")
        store = open_both(engine.url).blocking
        self._sessions = Sessions(store, Settings(), ring, clock=now_ms, entropy=os.urandom)

    def _sign_in(self) -> list[str]:
        users = [f"user-{secrets.token_hex(4)}" for _ in range(USERS)]
        for user in users:
            for _ in range(PER_USER):
                self._sessions.sign_in(Session(), user)
        return users

    def listed(self) -> float:
        """Microseconds to list one user's ten."""
        users = iter(self._sign_in())
        return measure.per_call(lambda: self._sessions.sessions_of(next(users)), USERS)

    def ended(self) -> float:
        """Microseconds to end one user's ten, durably."""
        users = iter(self._sign_in())
        return measure.per_call(lambda: self._sessions.revoke_all(next(users)), USERS)

    def all_ended(self) -> float:
        """Microseconds to end everybody's sessions."""
        return measure.per_call(self._sessions.revoke_everyone, 1)


def measured(
    make: Callable[[Path], AbstractContextManager[Engine]],
) -> tuple[list[measure.Figure], list[measure.Ratio]]:
    """The figures of one kind of engine, small and large, and large over small."""
    with ExitStack() as stack:
        crowds: list[Crowd] = []
        for count in SIZES:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            crowds.append(Crowd(stack.enter_context(make(folder)), count))
        subjects = {
            f"{each.name}: {what} among {count:,}": verb
            for each, count in zip(crowds, SIZES, strict=True)
            for what, verb in (("list 10", each.listed), ("end 10", each.ended))
        }
        found = measure.interleaved(subjects)
        for each, count in zip(crowds, SIZES, strict=True):
            found[f"{each.name}: end all {count:,}"] = [each.all_ended()]
    figures = [measure.figure(name, "µs", values) for name, values in found.items()]
    small, large = (f"{count:,}" for count in SIZES)
    ratios = [
        measure.ratio(f"{name} / {small}", found[name], found[name.replace(large, small)], must=1.5)
        for name in subjects
        if name.endswith(large)
    ]
    return figures, ratios


def main() -> None:
    """Fill, measure, print, keep."""
    figures: list[measure.Figure] = []
    ratios: list[measure.Ratio] = []
    for make in (_engines.single, _engines.postgres):
        some, more = measured(make)
        figures += some
        ratios += more
    measure.publish("crowd", figures, ratios, ("redis", "hiredis", "psycopg"))


if __name__ == "__main__":
    main()
