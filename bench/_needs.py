"""From what one session and one command cost to what many need: the formulas of docs/explanation/scale.md."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

REQUESTS_PER_HOUR = 6
"""Of a live session, averaged over a day; most of them are idle."""
PEAK = 3
"""The busiest hour over the average."""
WRITES = 0.05
"""Share of requests that change data."""
HEADROOM = 1.5
"""Bytes to have for each byte that is used: fragmentation, snapshots, replication buffers, bloat."""
BUSY = 0.5
"""Share of a core that may be busy at the peak."""
NODE_GB = 24
"""Of a Redis primary, whose copy a replica must be able to take in."""
MOST_CORES = 64
"""Of one PostgreSQL primary."""


class Costs(NamedTuple):
    """Of one engine: bytes for a session; µs of the engine's CPU for a command of each kind."""

    session: float
    read: float
    touch: float
    write: float


class Needs(NamedTuple):
    """Of one engine at the peak. `nodes` are primaries; `cores` are those that must be there."""

    requests: float
    cores: float
    gigabytes: float
    nodes: int


def requests_at_peak(sessions: int) -> float:
    """Requests a second."""
    return sessions * REQUESTS_PER_HOUR * PEAK / 3600


def needs(costs: Costs, sessions: int, hits: float, *, sharded: bool) -> Needs:
    """What so many live sessions need when the near cache answers the share `hits` of readings.

    A session that asks every ten minutes is touched by each request. Only a sharded engine spreads
    over nodes, one core of each of which serves commands.
    """
    requests = requests_at_peak(sessions)
    per_request = (1 - hits) * costs.read + costs.touch + WRITES * costs.write
    cores = requests * per_request / 1e6 / BUSY
    gigabytes = sessions * costs.session * HEADROOM / 1e9
    nodes = max(ceil(cores), ceil(gigabytes / NODE_GB)) if sharded else 1
    return Needs(requests, cores, gigabytes, nodes)


def topology(each: Needs, *, sharded: bool) -> str:
    """In words."""
    if not sharded:
        fits = each.cores <= MOST_CORES
        return f"one primary, {max(ceil(each.cores), 1)} cores" if fits else "more than one can do"
    if each.nodes == 1:
        return "one primary, one replica"
    return f"Cluster of {max(each.nodes, 3)} primaries, a replica each"
