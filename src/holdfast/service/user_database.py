"""Where users are kept; for commands too, which need no more of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigurationError
from holdfast.service.database import PostgresDatabase, SqliteDatabase
from holdfast.stores import open_store
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite.core import SqliteCore

if TYPE_CHECKING:
    from holdfast.assembly import Assembly
    from holdfast.service.database import Database
    from holdfast.service.environment import Configuration

USER_DATABASE = "users.db"


def user_database(configuration: Configuration, assembly: Assembly) -> Database:
    """Where users are kept: where `HOLDFAST_USERS` says, else in the database of the sessions.

    If that is no database with tables, they are in a file in the folder of this machine.

    Raises:
        ConfigurationError: users cannot be kept there.
    """
    store, url = assembly.blocking_store, configuration.users or configuration.store
    if not configuration.users and isinstance(store, SqliteStore):
        return SqliteDatabase(store.core)
    scheme = url.partition(":")[0].lower()
    if scheme not in {"sqlite", "postgresql", "postgres"}:
        if configuration.users:
            raise ConfigurationError(
                "users: is a URL of SQLite or PostgreSQL; for example postgresql://host/database"
            )
        return SqliteDatabase(SqliteCore(configuration.home / USER_DATABASE))
    timeout = configuration.settings.store_timeout.total_seconds()
    place: Any = open_store(url, timeout=timeout)
    return SqliteDatabase(place.core) if scheme == "sqlite" else PostgresDatabase(place.core)
