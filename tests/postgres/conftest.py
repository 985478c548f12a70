"""Stores on a real server, each in a schema of its own."""

import pytest

import postgresql
from holdfast.stores.postgres import AsyncPostgresStore, PostgresStore
from holdfast.testing.contracts.samples import Samples
from postgresql import Schemas, ServerClock


@pytest.fixture
def server():
    return postgresql.server()


@pytest.fixture
def schemas(server):
    schemas = Schemas(server)
    yield schemas
    schemas.release()


@pytest.fixture
def schema(schemas):
    """The name of the schema that `store` works in."""
    return schemas.name()


@pytest.fixture
def clock(schemas):
    return ServerClock(schemas)


@pytest.fixture
def open_store(server, schema):
    """Opens stores on the same tables, as other processes would, and closes them."""
    opened = []

    def open_handle(url=server.url, **options):
        opened.append(PostgresStore(url, schema=schema, **options))
        return opened[-1]

    yield open_handle
    for each in opened:
        each.close()


@pytest.fixture
def open_async(server, schema):
    """As `open_store`, for coroutines; closed from outside their loop."""
    opened = []

    def open_handle(url=server.url, **options):
        opened.append(AsyncPostgresStore(url, schema=schema, **options))
        return opened[-1]

    yield open_handle
    for each in opened:
        each.core.close()


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def samples(store, clock):
    return Samples(store, clock)
