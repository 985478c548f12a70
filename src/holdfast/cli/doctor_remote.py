"""What `holdfast doctor` says of a store behind a network: durability, near cache, nodes."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.assembly import Assembly
    from holdfast.stores.standing import Outlook
    from holdfast.stores.wrapping import Wrapped

_LOOK_EVERY_S = 0.02


class Finding(NamedTuple):
    """The result of one check."""

    check: str
    state: Literal["ok", "warning", "failed"]
    text: str


def findings(assembly: Assembly) -> Iterator[Finding]:
    """Asks the store once more, so that the line for changes is there."""
    from holdfast.stores.standing import survives

    wrapped = assembly.wrapped
    if wrapped is None:
        return
    outlook = _heard(assembly, wrapped)
    durability = outlook.durability
    text = f"{durability}; an acknowledged revocation survives {survives(durability)}"
    yield Finding("durability", "warning" if durability.kind == "memory" else "ok", text)
    yield _near_cache(outlook)
    if outlook.away:
        yield Finding("nodes", "failed", f"do not answer: {', '.join(outlook.away)}")


def _heard(assembly: Assembly, wrapped: Wrapped) -> Outlook:
    """The outlook once the node is heard, or what there is at the end of the time limit."""
    from holdfast import probe
    from holdfast.assembly import now_ms
    from holdfast.faces import async_shaped, run

    deadline = time.monotonic() + assembly.settings.store_timeout.total_seconds()
    run(probe.read(async_shaped(assembly.blocking_store), now_ms()))
    while True:
        outlook = wrapped.outlook()
        if outlook.cache is None or outlook.age not in {None, math.inf}:
            return outlook
        if time.monotonic() > deadline:
            return outlook
        time.sleep(_LOOK_EVERY_S)


def _near_cache(outlook: Outlook) -> Finding:
    stats, age = outlook.cache, outlook.age
    if stats is None:
        return Finding("near cache", "ok", "off")
    if age is None or age == math.inf:
        text = "on, and nothing is served from it: the line for changes does not answer"
        return Finding("near cache", "failed", text)
    return Finding("near cache", "ok", f"on; changes were heard {age * 1000:.0f} ms ago")
