"""What Prometheus may read of a store behind a network: near cache, durability, nodes that are away.

The background thread brings an outlook every `flush_every`; between two of them the figures stand
still, and asking for them never asks the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge

    from holdfast.stores.near_cache import Stats
    from holdfast.stores.standing import Outlook

_KINDS = ("memory", "fsynced", "replicated")
_NOTHING = (0, 0, 0)


class StoreMetrics:
    """The figures of one process, or of its part of several; none before the first outlook."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._before = _NOTHING
        self._figures: _Figures | None = None

    def note(self, outlook: Outlook) -> None:
        """Take over how the store stands."""
        figures = self._figures or _Figures(self._registry)
        self._figures = figures
        for kind in _KINDS:
            figures.durability.labels(kind).set(kind == outlook.durability.kind)
        figures.replicas.set(outlook.durability.replicas)
        figures.away.set(len(outlook.away))
        figures.owed.set(outlook.owed)
        if outlook.age is not None:
            figures.age.set(outlook.age)
        if outlook.cache is not None:
            self._note_cache(figures, outlook.cache)

    def _note_cache(self, figures: _Figures, stats: Stats) -> None:
        now = (stats.hits, stats.misses, stats.stale)
        before = self._before if now >= self._before else _NOTHING  # a child of fork began anew
        self._before = now
        for counter, new, old in zip(figures.reads, now, before, strict=True):
            counter.inc(new - old)
        figures.entries.set(stats.entries)
        figures.size.set(stats.size)


class _Figures:
    """Made at the first outlook, so that a store in this machine shows no zeros."""

    def __init__(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge

        def gauge(
            name: str, text: str, mode: Literal["livesum", "livemax", "livemin"], *labels: str
        ) -> Gauge:
            name = f"holdfast_{name}"
            return Gauge(name, text, labels, registry=registry, multiprocess_mode=mode)

        text = "Readings that the near cache was asked for, by how it answered."
        reads = Counter("holdfast_cache_reads", text, ("answer",), registry=registry)
        self.reads: tuple[Counter, ...] = tuple(map(reads.labels, ("hit", "miss", "stale")))
        self.entries = gauge("cache_entries", "Sessions in the near caches.", "livesum")
        self.size = gauge("cache_bytes", "Bytes in the near caches.", "livesum")
        self.age = gauge(
            "cache_age_seconds", "Age of the oldest answered probe that is believed.", "livemax"
        )
        self.durability = gauge(
            "store_durability", "1 for the class of revocations now.", "livemax", "class"
        )
        self.replicas = gauge(
            "store_replicas", "Replicas that acknowledge a revocation.", "livemin"
        )
        self.away = gauge("store_nodes_away", "Nodes that are not called now.", "livemax")
        self.owed = gauge("store_owed", "Revocations that are to be asserted again.", "livesum")
