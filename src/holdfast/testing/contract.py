"""What every store owes, as tests that a store's own tests inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.testing.clock import FakeClock
from holdfast.testing.contracts.capping import CappingContract
from holdfast.testing.contracts.ending import EndingContract
from holdfast.testing.contracts.keeping import KeepingContract, OpenStore
from holdfast.testing.contracts.listing import ListingContract
from holdfast.testing.contracts.model import ModelContract
from holdfast.testing.contracts.samples import Samples
from holdfast.testing.contracts.spending import SpendingContract
from holdfast.testing.contracts.writing import WritingContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.protocols import Store


class StoreContract(
    WritingContract,
    ListingContract,
    CappingContract,
    EndingContract,
    SpendingContract,
    KeepingContract,
    ModelContract,
):
    """Inherit, override one fixture, and every promise of `holdfast.protocols.Store` is tested.

    Override `open_store` with a function of a name that opens a handle: the same name is the same
    storage, which begins empty for each test. Whoever has one handle only overrides `store`
    instead, and the tests that need several are skipped. A store for coroutines is wrapped in
    `holdfast.testing.BlockingStore`. A store that keeps its own time overrides `clock` with an
    object whose call is the real time in Unix ms and whose `advance(ms)` waits.

        class TestMyStore(StoreContract):
            @pytest.fixture
            def open_store(self, tmp_path):
                opened = []

                def open(name="default"):
                    opened.append(MyStore(tmp_path / name))
                    return opened[-1]

                yield open
                for store in opened:
                    store.close()
    """

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Opens handles, see above; to be overridden."""
        if next(each for each in type(self).__mro__ if "store" in vars(each)) is StoreContract:
            pytest.fail("override the fixture `open_store` or `store`")
        pytest.skip("`open_store` is not overridden")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        """The handle under test."""
        store = open_store()
        yield store
        store.close()

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The time that the store is told."""
        return FakeClock()

    @pytest.fixture
    def samples(self, store: Store, clock: FakeClock) -> Samples:
        """Makes records whose ids carry the tags of the store's salt."""
        return Samples(store, clock)
