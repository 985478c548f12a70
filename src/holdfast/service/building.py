"""Putting the service together from its configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.assembly import assemble, now_ms
from holdfast.errors import ConfigurationError
from holdfast.service import authenticator, home, http_authenticator, moving_in
from holdfast.service.audit_output import AuditOutput
from holdfast.service.backend import keys as keys_of_backends
from holdfast.service.backend.claims import Claims
from holdfast.service.checks import Checks
from holdfast.service.context import ServiceContext
from holdfast.service.failures import Failures
from holdfast.service.known_device import KnownDevices
from holdfast.service.metrics import Metrics
from holdfast.service.passwords import Hasher
from holdfast.service.readiness import Readiness
from holdfast.service.throttle import Throttle
from holdfast.service.unsettled import unsettled
from holdfast.service.user_authenticator import UserAuthenticator
from holdfast.service.user_database import user_database
from holdfast.service.users import Users

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.assembly import Assembly
    from holdfast.protocols import Clock, Sink
    from holdfast.rules.keys import KeyRing
    from holdfast.service.authenticator import Authenticator
    from holdfast.service.database import Database
    from holdfast.service.environment import Configuration
    from holdfast.service.options import ServiceOptions


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
    options = configuration.options
    metrics = Metrics() if options.metrics_key else None
    assembly = assemble(
        configuration.settings,
        keys=keys or home.key_ring(configuration),
        store=configuration.store,
        audit=[*audit, metrics.sink] if metrics else audit,
        clock=clock,
        adopt=moving_in.adopted(options),
    )
    if metrics:
        _watch(metrics, assembly, audit)
        still = unsettled(assembly.keys, configuration.settings, started=clock())
        if still is not None and still.due is not None:
            metrics.note_unsettled(still.due)
    _require_signing(options, assembly.keys)
    database = user_database(configuration, assembly)
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


def _require_signing(options: ServiceOptions, keys: KeyRing) -> None:
    """Whoever verifies a token for another audience must not be able to make one."""
    if options.forward_auth_audience and keys.signer("access").algorithm == "HS256":
        raise ConfigurationError(
            "forward_auth_audience: needs an asymmetric key; for example: holdfast keys asymmetric"
        )


def _watch(metrics: Metrics, assembly: Assembly, audit: Sequence[Sink]) -> None:
    """Have counted what is lost of the audit, and how a store behind a network stands."""
    outputs = (sink for sink in audit if isinstance(sink, AuditOutput))
    metrics.watch(assembly.sessions.auditor, *outputs)
    if assembly.wrapped is not None:
        assembly.wrapped.standing.tell(metrics.store.note)


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
