"""Who makes the tables, with which rights, and which releases work on them side by side."""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError, StoreCorrupt
from holdfast.protocols import Admitted, Cap
from holdfast.stores.postgres import PostgresStore
from holdfast.stores.postgres.schema import Component, Schema
from holdfast.testing.contracts.samples import Samples, listed

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture
def empty(server):
    """The name of a schema that does not exist yet."""
    name = "not_yet"
    yield name
    server.sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")


def test_first_starts_of_several_processes(server, empty):
    """All make the tables at once, one does it, and all have the same salt."""
    command = [sys.executable, WORKER, server.url, empty, "salt"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [worker.communicate(timeout=60)[0].strip() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert len(set(said)) == 1
    assert len(bytes.fromhex(said[0])) == 32


def test_tables_that_vanish_are_made_again(server, empty, clock):
    """A process that runs goes on with a database that was put in place of the old one."""
    store = PostgresStore(server.url, schema=empty)
    record = Samples(store, clock).stored()
    server.sql(f"DROP SCHEMA {empty} CASCADE")
    assert store.get(record.id, now=clock()).record is None
    assert Samples(store, clock).stored().id in listed(store)
    store.close()


def test_without_the_right_to_make_a_schema(server, schema, clock):
    """Where the owner has made the tables, using them takes no more than these grants."""
    server.admin("CREATE ROLE guest LOGIN", database="app")
    url = server.url.replace("app@", "guest@")
    store = PostgresStore(url, schema=schema)
    try:
        with pytest.raises(StoreCorrupt, match="rights"):
            store.salt()
        server.sql(
            f"GRANT USAGE ON SCHEMA {schema} TO guest",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO guest",
        )
        record = Samples(store, clock).stored()
        assert store.delete(record.id)
        assert not store.delete(record.id)
        assert store.delete_all("alice") == ()
        assert store.bump_epoch() == 1
        assert store.take("key", limit=1, period=1000, now=clock()).allowed
        assert store.purge(now=clock()) == 0
    finally:
        store.close()
        server.admin("DROP OWNED BY guest", "DROP ROLE guest", database="app")


def test_nothing_of_the_search_path_is_believed(server, open_store, schema, clock):
    """Tables and functions of the same names elsewhere are not ours."""
    names = ["sessions", "state", "quotas", "components"]
    server.sql(
        "CREATE SCHEMA other",
        *(f"CREATE TABLE other.{name} (nothing int)" for name in names),
        "CREATE FUNCTION other.now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
        "ALTER ROLE app SET search_path = other",
    )
    try:
        store = open_store()
        record = Samples(store, clock).stored()
        assert listed(store, "alice") == [record.id]
        assert store.take("key", limit=1, period=60_000, now=clock()).retry_after == 0
        assert store.delete_all("alice") == (record.id,)
    finally:
        server.sql("ALTER ROLE app RESET search_path", "DROP SCHEMA other CASCADE")


def test_a_stricter_isolation_counts_nothing_wrong(server, open_store, samples, clock):
    """A cap cannot be kept by a snapshot that was taken before the wait: it is an error (P10)."""
    record = samples.record()
    server.sql("ALTER ROLE app SET default_transaction_isolation = 'repeatable read'")
    try:
        store = open_store()
        with pytest.raises(StoreCorrupt, match="isolation"):
            store.insert(record, now=clock(), cap=Cap(5, "reject"))
        assert store.get(record.id, now=clock()).record is None
    finally:
        server.sql("ALTER ROLE app RESET default_transaction_isolation")
    assert open_store().insert(record, now=clock(), cap=Cap(5, "reject")) == Admitted()


def test_a_newer_schema(server, open_store, schema):
    """A release works on newer tables as long as they say that it may, and not otherwise."""
    server.sql(f"UPDATE {schema}.components SET done = 7")
    try:
        assert len(open_store().salt()) == 32
        server.sql(f"UPDATE {schema}.components SET oldest = 2")
        with pytest.raises(StoreCorrupt, match="upgrade holdfast"):
            open_store().salt()
    finally:
        server.sql(f"UPDATE {schema}.components SET done = 1, oldest = 1")


def test_another_component(server, open_store, schema):
    """Its scripts run once and in order; a script that fails leaves everything as it was."""
    core = open_store().core
    first = "CREATE TABLE @schema@.pets (name text); INSERT INTO @schema@.pets VALUES ('Rex')"
    second = "ALTER TABLE @schema@.pets ADD COLUMN age int"
    try:
        assert core.migrate(Component("pets", (first,))) == 1
        assert core.migrate(Component("pets", (first, second))) == 1
        assert core.migrate(Component("pets", (first, second))) == 0
        with pytest.raises(StoreCorrupt):
            core.migrate(Component("pets", (first, second, "DROP TABLE @schema@.pets; nonsense")))
        assert core.execute("SELECT name, age FROM @schema@.pets") == [("Rex", None)]
    finally:
        server.sql(
            f"DROP TABLE {schema}.pets", f"DELETE FROM {schema}.components WHERE name='pets'"
        )


@pytest.mark.parametrize("name", ["", "Sessions", "a b", 'a"b', "x" * 49, "pg_catalog", "1st"])
def test_names_of_schemas(name):
    """What would need care in SQL or in the name of a channel is no name."""
    with pytest.raises(ConfigurationError):
        Schema(name)
