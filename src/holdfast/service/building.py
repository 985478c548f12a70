"""Putting the service together from its configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from holdfast.assembly import Assembly, assemble, now_ms
from holdfast.errors import ConfigurationError
from holdfast.service import authenticator, home, http_authenticator, moving_in
from holdfast.service.audit_output import AuditOutput
from holdfast.service.backend import keys as keys_of_backends
from holdfast.service.backend.claims import Claims
from holdfast.service.checks import Checks
from holdfast.service.context import ServiceContext
from holdfast.service.database import PostgresDatabase, SqliteDatabase
from holdfast.service.failures import Failures
from holdfast.service.known_device import KnownDevices
from holdfast.service.metrics import Metrics
from holdfast.service.passwords import Hasher
from holdfast.service.readiness import Readiness
from holdfast.service.throttle import Throttle
from holdfast.service.user_authenticator import UserAuthenticator
from holdfast.service.users import Users
from holdfast.stores import open_store
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite.core import SqliteCore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.protocols import Clock, Sink
    from holdfast.rules.keys import KeyRing
    from holdfast.service.authenticator import Authenticator
    from holdfast.service.database import Database
    from holdfast.service.environment import Configuration

USER_DATABASE = "users.db"


def build(
    configuration: Configuration,
    *,
    keys: KeyRing | None = None,
    audit: Sequence[Sink] = (),
    clock: Clock = now_ms,
) -> ServiceContext:
    """The parts of the service.

    Raises:
        ConfigurationError: keys, store or authenticator cannot be used.
        StoreError: the database cannot be opened.
    """
    home.prepare(configuration.home)
    metrics = Metrics() if configuration.options.metrics_key else None
    assembly = assemble(
        configuration.settings,
        keys=keys or home.key_ring(configuration),
        store=configuration.store,
        audit=[*audit, metrics.sink] if metrics else audit,
        clock=clock,
        adopt=moving_in.adopted(configuration.options),
    )
    if metrics:
        outputs = (sink for sink in audit if isinstance(sink, AuditOutput))
        metrics.watch(assembly.sessions.auditor, *outputs)
        if assembly.wrapped is not None:
            assembly.wrapped.standing.tell(metrics.store.note)
    if (
        configuration.options.forward_auth_audience
        and assembly.keys.signer("access").algorithm == "HS256"
    ):
        raise ConfigurationError(
            "forward_auth_audience: needs an asymmetric key; for example: holdfast keys asymmetric"
        )
    options, database = configuration.options, user_database(configuration, assembly)
    return ServiceContext(
        assembly=assembly,
        database=database,
        options=options,
        authenticator=_authenticator(configuration, database, clock),
        checks=Checks(
            threads=options.check_threads,
            queue=options.check_queue,
            timeout=options.check_timeout.total_seconds(),
        ),
        throttle=Throttle(
            assembly.store,
            Failures(database),
            options,
            auditor=assembly.sessions.auditor,
            clock=clock,
        ),
        known_devices=KnownDevices(
            assembly.keys,
            configuration.settings.cookie,
            options.known_device_lifetime,
            clock=clock,
            entropy=os.urandom,
        ),
        service_keys=keys_of_backends.parse(options.service_keys),
        claims=Claims(assembly, options, clock=clock, entropy=os.urandom),
        show_docs=configuration.development or options.expose_docs,
        clock=clock,
        readiness=Readiness(assembly.store, clock),
        metrics=metrics,
    )


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


def _authenticator(configuration: Configuration, database: Database, clock: Clock) -> Authenticator:
    chosen, options = configuration.authenticator, configuration.options
    if chosen is not None and http_authenticator.is_url(chosen):
        return http_authenticator.load(
            chosen,
            key=options.authenticator_key,
            within=options.authenticator_timeout.total_seconds(),
        )
    if chosen is not None:
        return authenticator.load(chosen)
    users = Users(database, clock=clock, entropy=os.urandom)
    return UserAuthenticator(users, Hasher())
