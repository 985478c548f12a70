"""The PostgreSQL store, blocking and for coroutines, under the one contract (P24)."""

import pytest

import postgresql
from holdfast.stores.postgres import AsyncPostgresStore, PostgresStore
from holdfast.testing import BlockingStore, StoreContract
from postgresql import Schemas, ServerClock


@pytest.fixture
def schemas():
    schemas = Schemas(postgresql.server())
    yield schemas
    schemas.release()


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def clock(self, schemas):
        return ServerClock(schemas)

    @pytest.fixture
    def open_store(self, schemas):
        opened = []

        def open_handle(name="default"):
            opened.append(PostgresStore(schemas.server.url, schema=schemas.name(name)))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()


class TestAsyncPostgresStore(StoreContract):
    @pytest.fixture
    def clock(self, schemas):
        return ServerClock(schemas)

    @pytest.fixture
    def open_store(self, schemas):
        opened = []

        def open_handle(name="default"):
            store = AsyncPostgresStore(schemas.server.url, schema=schemas.name(name))
            opened.append(BlockingStore(store))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()
