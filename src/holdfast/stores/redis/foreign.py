"""Keys that another program keeps in a Redis: read one, remove one; find all, replace one.

On a single server, or one that Sentinels watch over. The coroutines of a face for threads are async in
shape only.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from holdfast.errors import ConfigurationError
from holdfast.faces import run
from holdfast.hooks import weakly
from holdfast.stores.asked import require_readable
from holdfast.stores.redis.answers import flag, no_answer, number, page_of_keys
from holdfast.stores.redis.calls import Call
from holdfast.stores.redis.client import Client
from holdfast.stores.redis.core import Core
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.stores.redis.loops import LoopWires
from holdfast.stores.redis.target import target
from holdfast.stores.redis.threads import ThreadWires

if TYPE_CHECKING:
    from holdfast.stores.redis.core import Wires

_GLOB = re.compile(r"[\\*?\[\]^-]")
_PAGE = "1000"
_SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
"""
_ANYWHERE = ALL_TAGS[0]
"""There is one server for everything."""


class ForeignKeys:
    """One face."""

    def __init__(self, core: Core, wires: Wires) -> None:
        self._core = core
        self._client = Client(core, wires)
        os.register_at_fork(after_in_child=weakly(self._begin_anew))

    async def beginning_with(self, prefix: str) -> list[bytes]:
        """All keys that begin like this; those that come while it is looked may be missing."""
        found: set[bytes] = set()
        seen: set[bytes] = set()
        pattern, cursor = _GLOB.sub(r"\\\g<0>", prefix) + "*", b"0"
        while True:
            scan = ("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
            cursor, keys = await self._client.value(
                Call(_ANYWHERE, None, scan, safe=True, read=page_of_keys)
            )
            found.update(keys)
            if cursor == b"0":
                return sorted(found)
            if cursor in seen:  # it goes round in a circle
                raise no_answer()
            seen.add(cursor)

    async def swap(self, key: bytes, old: bytes, new: bytes) -> bool:
        """Replace a value if it is still the old one; it ends when it would have ended."""
        swap = ("EVAL", _SWAP, "1", key, old, new)
        swapped: bool = await self._client.value(Call(_ANYWHERE, None, swap, read=flag))
        return swapped

    async def get(self, key: str | bytes) -> bytes | None:
        """The value of a key; None: there is no such key.

        Raises:
            StoreError: the server does not answer, or refuses.
        """
        value: bytes | None = await self._client.value(
            Call(_ANYWHERE, None, ("GET", key), safe=True)
        )
        return value

    async def delete(self, key: str) -> None:
        """Remove a key, whether or not it is there. Raises as `get`."""
        await self._client.value(Call(_ANYWHERE, None, ("DEL", key), safe=True, read=number))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.wires.close()

    def _begin_anew(self) -> None:
        self._core.after_fork()
        self._client.wires.after_fork()


class Foreign(NamedTuple):
    """Both faces."""

    blocking: ForeignKeys
    asynchronous: ForeignKeys
    wires: LoopWires

    def close(self) -> None:
        """Close the connections of threads, and those of loops from outside them."""
        run(self.blocking.close())
        self.wires.close_elsewhere()


def open_foreign(url: str, timeout: float) -> Foreign:
    """The keys on the server that a URL names; nothing is connected yet.

    Raises:
        ConfigurationError: the URL is wrong, or that of a Cluster.
    """
    require_readable(url)
    place = target(url)._replace(foreign=True)
    if place.kind == "cluster":
        raise ConfigurationError(
            "adopt: sessions of another library are read from one server; for example"
            " redis://host/0 or redis+sentinel://host/service/0"
        )
    core = Core(place, timeout)
    wires = LoopWires(core)
    return Foreign(ForeignKeys(core, ThreadWires(core)), ForeignKeys(core, wires), wires)
