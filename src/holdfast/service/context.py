"""The parts of one running service, as routes and pages are handed them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.service.backend.streams import Streams

if TYPE_CHECKING:
    from starlette.requests import Request

    from holdfast.assembly import Assembly
    from holdfast.engine import AsyncSessions
    from holdfast.protocols import Clock
    from holdfast.service.authenticator import Authenticator
    from holdfast.service.backend.claims import Claims
    from holdfast.service.backend.keys import ServiceKey
    from holdfast.service.checks import Checks
    from holdfast.service.database import Database
    from holdfast.service.known_device import KnownDevices
    from holdfast.service.metrics import Metrics
    from holdfast.service.options import ServiceOptions
    from holdfast.service.readiness import Readiness
    from holdfast.service.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceContext:
    """Everything a route needs. What is done with it stands in `accounts` and `devices`.

    `authenticator` says whose credentials are right, `checks` runs it beside the event loop,
    `throttle` bounds how often it may be asked, `readiness` proves that the store can be used,
    `known_devices` signs the cookie of a browser that has signed in before. `service_keys` open the
    back-end API, `claims` are those on requests that may come twice, `streams` bounds the streams of
    changes that are open. `database` holds the service's own tables.
    """

    assembly: Assembly
    database: Database
    options: ServiceOptions
    authenticator: Authenticator
    checks: Checks
    throttle: Throttle
    known_devices: KnownDevices
    service_keys: tuple[ServiceKey, ...]
    claims: Claims
    show_docs: bool
    clock: Clock
    readiness: Readiness
    metrics: Metrics | None = None
    streams: Streams = field(default_factory=Streams)

    @property
    def sessions(self) -> AsyncSessions:
        """The engine."""
        return self.assembly.sessions

    def close(self) -> None:
        """Finish what is pending and close the databases."""
        self.checks.close()
        self.assembly.close()
        self.database.close()


def context_of(request: Request) -> ServiceContext:
    """The context of the service that handles this request."""
    context: ServiceContext = request.app.state.context
    return context
