"""For the tests of applications and of other people's stores.

`StoreContract` proves a store, `HookedStore` makes races deterministic, `FakeClock` moves time.
`client`, `sign_in`, `csrf` and `isolated` are for the tests of an application. What needs pytest or
a framework is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holdfast.stores.memory import AsyncMemoryStore, MemoryStore
from holdfast.testing.blocking import BlockingStore
from holdfast.testing.clock import FakeClock
from holdfast.testing.hooks import HookedStore

if TYPE_CHECKING:
    from holdfast.testing.apps import isolated
    from holdfast.testing.clients import client, csrf, csrf_form, sign_in
    from holdfast.testing.contract import StoreContract

__all__ = [
    "AsyncMemoryStore",
    "BlockingStore",
    "FakeClock",
    "HookedStore",
    "MemoryStore",
    "StoreContract",
    "client",
    "csrf",
    "csrf_form",
    "isolated",
    "sign_in",
]

_LATER = {
    "StoreContract": "contract",
    "client": "clients",
    "csrf": "clients",
    "csrf_form": "clients",
    "isolated": "apps",
    "sign_in": "clients",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"holdfast.testing.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
