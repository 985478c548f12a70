"""One user's ten sessions, and everybody's end, among ten thousand sessions and among a million.

The same on a small and on a large store of each kind, in interleaved rounds. SQLite has `bench.scale`.
`HOLDFAST_BENCH_LARGEST=10000000` adds a third Redis, which takes 6 GB and some minutes to fill.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import redis

from bench import _engines
from bench import _measure as measure
from holdfast import KeyRing, Session, Sessions, Settings
from holdfast.assembly import now_ms
from holdfast.stores import open_both
from holdfast.stores.redis import answers
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.stores.redis.scripts import script
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
LARGEST = int(os.environ.get("HOLDFAST_BENCH_LARGEST", "0"))
USERS = 2 if measure.QUICK else 40
PER_USER = 10
_TOGETHER = 500
_MAKE = (
    script(answers.text, "record", "index").text
    + b"""
for number = tonumber(ARGV[2]), ARGV[3] - 1 do
  local member = '1' .. redis.sha1hex(tag .. number):sub(1, 21) .. 'A'
  local subject = redis.sha1hex(tag .. math.floor(number / 10) .. 's'):sub(1, 16)
  local value = ARGV[1]:sub(1, 2) .. struct.pack('>I4', epoch) .. ARGV[1]:sub(7, 66)
    .. subject .. ARGV[1]:sub(83)
  redis.call('SET', record_key(member), value)
  redis.call('ZADD', subject_list(value, epoch), 0, member)
  index(member, (struct.unpack('>I6', value, 27)))
end
redis.call('SET', epoch_key, 0, 'NX')"""
)
_COPY = """
INSERT INTO holdfast.sessions SELECT (jsonb_populate_record(s, jsonb_build_object(
    'id', 'aa1' || lpad(n::text, 21, '0') || 'A',
    'subject', 'other-' || n / 10))).*
FROM holdfast.sessions s, generate_series(1, %s) n WHERE s.id = %s"""


def made(engine: Engine, count: int) -> None:
    """So many sessions in Redis, ten for each of others, made by the server after one of them.

    They lie as if the store had inserted each, evenly over all tags.
    """
    opened = open_both(engine.url).blocking
    model = Samples(opened, now_ms).stored("model")
    opened.close()
    with redis.Redis.from_url(engine.url, socket_timeout=60) as server:
        value = server.get(f"hfr{{{model.id[:2]}}}{model.id[2:]}")
        make = server.register_script(_MAKE)
        each = -(-count // len(ALL_TAGS))
        for tag in ALL_TAGS:
            for first in range(0, each, _TOGETHER):
                last = min(first + _TOGETHER, each)
                make(keys=[f"hfe{{{tag}}}", f"hfn{{{tag}}}"], args=[value, first, last])


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
            made(engine, count)
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
    make: Callable[[Path], AbstractContextManager[Engine]], sizes: tuple[int, ...]
) -> tuple[list[measure.Figure], list[measure.Ratio]]:
    """The figures of one kind of engine, small and large, and large over small."""
    with ExitStack() as stack:
        crowds: list[Crowd] = []
        for count in sizes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            crowds.append(Crowd(stack.enter_context(make(folder)), count))
        subjects = {
            f"{each.name}: {what} among {count:,}": verb
            for each, count in zip(crowds, sizes, strict=True)
            for what, verb in (("list 10", each.listed), ("end 10", each.ended))
        }
        found = measure.interleaved(subjects)
        for each, count in zip(crowds, sizes, strict=True):
            found[f"{each.name}: end all {count:,}"] = [each.all_ended()]
    figures = [measure.figure(name, "µs", values) for name, values in found.items()]
    small, *larger = (f"{count:,}" for count in sizes)
    ratios = [
        measure.ratio(f"{name} / {small}", found[name], found[name.replace(large, small)], must=1.5)
        for large in larger
        for name in subjects
        if name.endswith(f" {large}")
    ]
    return figures, ratios


def main() -> None:
    """Fill, measure, print, keep."""
    figures: list[measure.Figure] = []
    ratios: list[measure.Ratio] = []
    for make, sizes in (
        (_engines.single, (*SIZES, LARGEST) if LARGEST else SIZES),
        (_engines.postgres, SIZES),
    ):
        some, more = measured(make, sizes)
        figures += some
        ratios += more
    measure.publish("crowd", figures, ratios, ("redis", "hiredis", "psycopg"))


if __name__ == "__main__":
    main()
