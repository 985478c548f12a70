"""The stores of this package, blocking and for coroutines, under the one contract (P24)."""

import pytest

from holdfast.stores.memory import AsyncMemoryStore, MemoryStore
from holdfast.stores.sqlite import AsyncSqliteStore, SqliteStore
from holdfast.testing import BlockingStore, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def open_store(self):
        storages = {}
        return lambda name="default": storages.setdefault(name, MemoryStore())


class TestAsyncMemoryStore(StoreContract):
    @pytest.fixture
    def open_store(self):
        storages, opened = {}, []

        def open_handle(name="default"):
            storage = storages.setdefault(name, MemoryStore())
            opened.append(BlockingStore(AsyncMemoryStore(storage)))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        opened = []

        def open_handle(name="default"):
            opened.append(SqliteStore(tmp_path / name))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()


class TestAsyncSqliteStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        opened = []

        def open_handle(name="default"):
            opened.append(BlockingStore(AsyncSqliteStore(tmp_path / name)))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()
