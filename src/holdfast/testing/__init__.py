"""For the tests of applications and of other people's stores.

`StoreContract` proves a store, `HookedStore` makes races deterministic, `FakeClock` moves time.
`client`, `sign_in`, `csrf` and `isolated` are for the tests of an application. Each is imported when
it is asked for: pytest loads this package in every run, for the plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "AsyncMemoryStore",
    "BlockingStore",
    "Clients",
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

if TYPE_CHECKING:
    from holdfast.stores.memory import AsyncMemoryStore, MemoryStore
    from holdfast.testing.apps import isolated
    from holdfast.testing.blocking import BlockingStore
    from holdfast.testing.clients import Clients, client, csrf, csrf_form, sign_in
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contract import StoreContract
    from holdfast.testing.hooks import HookedStore
else:
    from holdfast.later import names_of

    __getattr__ = names_of(
        __name__,
        {
            "holdfast.stores.memory": ("AsyncMemoryStore", "MemoryStore"),
            "holdfast.testing.apps": ("isolated",),
            "holdfast.testing.blocking": ("BlockingStore",),
            "holdfast.testing.clients": ("Clients", "client", "csrf", "csrf_form", "sign_in"),
            "holdfast.testing.clock": ("FakeClock",),
            "holdfast.testing.contract": ("StoreContract",),
            "holdfast.testing.hooks": ("HookedStore",),
        },
    )
