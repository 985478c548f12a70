"""A `postgresql:` URL names a server, a schema, and what else the store needs to know."""

import pytest

from holdfast.errors import ConfigurationError
from holdfast.stores import open_async, open_both, open_store
from holdfast.stores.postgres import AsyncPostgresStore, PostgresStore
from holdfast.stores.postgres.address import parse

LISTEN = "postgresql%3A%2F%2Fapp%3Apw%40db%3A5432%2Fapp%3Fsslmode%3Drequire"


def test_what_is_ours_is_taken_out():
    """The rest is libpq's, as it was."""
    url = (
        "postgresql://app:p%40w@h1:1,h2:2/app?sslmode=verify-full&schema=shop&pool_size=20"
        f"&listen_url={LISTEN}"
    )
    assert parse(url) == (
        "postgresql://app:p%40w@h1:1,h2:2/app?sslmode=verify-full",
        "shop",
        20,
        "postgresql://app:pw@db:5432/app?sslmode=require",
    )


def test_defaults():
    """Nothing but a database has to be said."""
    assert parse("postgresql:///app") == ("postgresql:///app", "holdfast", 10, None)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "PostgreSQL"])
def test_both_spellings_open_a_store(scheme, server, schema):
    """The two schemes that libpq knows; both faces are over the same connections."""
    url = server.url.replace("postgresql", scheme) + f"?schema={schema}"
    opened = open_both(url)
    blocking, asynchronous = opened.blocking, opened.asynchronous
    assert isinstance(blocking, PostgresStore)
    assert isinstance(asynchronous, AsyncPostgresStore)
    assert blocking.core is asynchronous.core
    assert len(blocking.salt()) == 32
    blocking.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:",
        "postgresql://",
        "postgresql://hunter2@host",
        "postgresql://host:port/hunter2",
        "postgresql://user:hunter2@host/app?nonsense=1",
        "postgresql://user:hunter2@host/app#fragment",
        "postgresql://user:hunter2@host/app?schema=Sessions",
        "postgresql://user:hunter2@host/app?schema=a;b",
        "postgresql://user:hunter2@host/app?schema=pg_catalog",
        "postgresql://user:hunter2@host/app?schema=",
        "postgresql://user:hunter2@host/app?pool_size=0",
        "postgresql://user:hunter2@host/app?pool_size=many",
        "postgresql://user:hunter2@host/app?listen_url=redis%3A%2F%2Fhost",
        "postgresql://user:hunter2@host/app?listen_url=",
    ],
)
@pytest.mark.parametrize("opening", [open_store, open_async])
def test_a_wrong_url_is_an_error_at_the_start(url, opening):
    """Before anything connects; the message names a valid one and repeats no password (P25)."""
    with pytest.raises(ConfigurationError) as error:
        opening(url)
    assert str(error.value).startswith("store: ")
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(error.value.__cause__)
