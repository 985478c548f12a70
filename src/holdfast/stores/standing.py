"""How a store behind a network stands, as the background thread last saw it, and as people are told.

The durability class is logged when it is first known and whenever it changes: what an acknowledged
revocation survives must not be found out after the crash.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.stores.near_cache import Stats
    from holdfast.stores.remote import Durability

_SURVIVES = {
    "memory": "the end of this process, not that of the server",
    "fsynced": "the end of the server and a power cut, not the loss of its disk",
    "replicated": "also the loss of the server, while those that acknowledged take over",
}
_log = logging.getLogger("holdfast")


class Outlook(NamedTuple):
    """How a wrapped store stands, for metrics, readiness and people.

    `ages` are seconds since the probes that are believed were sent, by line, infinite while a line
    is cut; empty where nothing listens. `away` are the nodes that are not called now, `owed` the
    revocations that are still to be asserted again. `cache` is None while there is none.
    """

    durability: Durability
    ages: dict[str, float]
    away: tuple[str, ...]
    owed: int
    cache: Stats | None

    @property
    def age(self) -> float | None:
        """The oldest of `ages`; None where nothing listens."""
        return max(self.ages.values(), default=None)


def combined(outlooks: Sequence[Outlook]) -> Outlook:
    """Several stores as one: the weakest durability, the greater age, and the first one's cache."""
    ages: dict[str, float] = {}
    for line, age in (each for outlook in outlooks for each in outlook.ages.items()):
        ages[line] = max(age, ages.get(line, age))
    return Outlook(
        min((each.durability for each in outlooks), key=_rank),
        ages,
        tuple(dict.fromkeys(node for each in outlooks for node in each.away)),
        sum(each.owed for each in outlooks),
        outlooks[0].cache,
    )


class Standing:
    """The latest outlook, None before the first; `look` is the background thread's."""

    def __init__(self) -> None:
        self.latest: Outlook | None = None
        self._told: list[Callable[[Outlook], None]] = []

    def tell(self, told: Callable[[Outlook], None]) -> None:
        """Call `told` with every outlook from now on."""
        self._told.append(told)

    def look(self, outlook: Outlook) -> None:
        """Take note of how the store stands now."""
        before, self.latest = self.latest, outlook
        if before is None or before.durability != outlook.durability:
            _say(outlook.durability, before)
        for told in self._told:
            told(outlook)


def survives(durability: Durability) -> str:
    """What a durable write of this class survives, in words."""
    return _SURVIVES[durability.kind]


def _say(durability: Durability, before: Outlook | None) -> None:
    weaker = before is not None and _rank(durability) < _rank(before.durability)
    level = logging.WARNING if weaker or durability.kind == "memory" else logging.INFO
    change = "" if before is None else f" (before: {before.durability})"
    _log.log(
        level,
        "durability of an acknowledged revocation: %s%s; it survives %s",
        durability,
        change,
        survives(durability),
    )


def _rank(durability: Durability) -> tuple[int, int]:
    return list(_SURVIVES).index(durability.kind), durability.replicas
