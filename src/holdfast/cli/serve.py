"""`holdfast serve`: the service."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.options import Home, Store
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.service.administration import Administration
    from holdfast.service.context import ServiceContext
    from holdfast.service.demo import Credentials
    from holdfast.service.environment import Configuration


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address; HOLDFAST_HOST, default 127.0.0.1")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; HOLDFAST_PORT, default 8080")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; HOLDFAST_WORKERS, default 1")
    ] = None,
    home: Home = None,
    store: Store = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="production, development, nist_aal1 … nist_aal3 or asvs; HOLDFAST_PROFILE"
        ),
    ] = None,
    authenticator: Annotated[
        str | None,
        typer.Option(
            help="Your own: module:function(email, password) or a URL; HOLDFAST_AUTHENTICATOR"
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Development on loopback, with a demo user.")
    ] = False,
) -> None:
    """Start the service. A first start makes keys and an empty database, and no account."""
    from holdfast.service import environment

    environment.set_in(
        os.environ,
        host=host,
        port=port,
        workers=workers,
        home=Path(home).absolute() if home else None,
        store=store,
        profile=profile or ("development" if demo else None),
        authenticator=authenticator,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _run(environment.load(os.environ), demo=demo)


def _run(configuration: Configuration, *, demo: bool) -> None:
    from holdfast.cli import demonstration
    from holdfast.service import metrics, server

    _require_reachable(configuration, demo=demo)
    server.require_free(configuration.host, configuration.port)
    address = server.url(configuration.host, configuration.port)
    credentials = _prepared(configuration, demo=demo)
    if configuration.options.metrics_key and configuration.workers > 1:
        metrics.prepare(configuration.home, os.environ)
    if credentials is not None:
        print(f"Demo user: {credentials.email} / {credentials.password}", flush=True)

    def ready() -> None:
        print(f"Listening on {address}", flush=True)
        if credentials is not None:
            print(demonstration.what_next(address, credentials), flush=True)

    server.run(configuration.host, configuration.port, workers=configuration.workers, ready=ready)


def _prepared(configuration: Configuration, *, demo: bool) -> Credentials | None:
    """Make what a first start makes, once and before any worker, so that mistakes show at once."""
    from holdfast.assembly import now_ms
    from holdfast.service.administration import Administration
    from holdfast.service.building import build
    from holdfast.service.demo import ensure_user

    context = build(configuration)
    try:
        _say_durability(context)
        _say_unsettled(context, configuration)
        administration = Administration(context.assembly, context.database, context.options, now_ms)
        if not demo:
            _say_users(administration, configuration)
            return None
        return ensure_user(administration, configuration.home)
    finally:
        context.close()


def _say_durability(context: ServiceContext) -> None:
    """What an acknowledged revocation survives, for the log of whoever starts the service."""
    from holdfast.stores.standing import survives

    if context.assembly.wrapped is not None:
        durability = context.assembly.wrapped.outlook().durability
        told = f"Durability of revocations: {durability}; they survive {survives(durability)}"
        print(told, flush=True)


def _say_unsettled(context: ServiceContext, configuration: Configuration) -> None:
    """Nothing else would remind of it: tokens of both kinds count, and all is well."""
    from holdfast.service.unsettled import unsettled

    still = unsettled(context.assembly.keys, configuration.settings, started=context.clock())
    if still is not None:
        logging.getLogger("holdfast").warning("keys: %s", still.sentence())


def _say_users(administration: Administration, configuration: Configuration) -> None:
    """A service without users lets nobody in: they may have stayed where the sessions were before.

    An application with a service key checks passwords itself.
    """
    if configuration.authenticator is None and not configuration.options.service_keys:
        missing = administration.missing_users(named=bool(configuration.users))
        if missing:
            logging.getLogger("holdfast").warning("nobody can sign in, %s", missing)


def _require_reachable(configuration: Configuration, *, demo: bool) -> None:
    from holdfast.service.server import names_loopback

    if demo and not configuration.development:
        raise ConfigurationError("--demo: needs the development profile; leave --profile out")
    if configuration.development and not names_loopback(configuration.host):
        raise ConfigurationError(
            "host: the development profile listens on loopback only; for example --host 127.0.0.1"
        )
    if not names_loopback(configuration.host) and not configuration.settings.trusted_proxies:
        logging.getLogger("holdfast").warning(
            "listening on %s without HTTPS: put a proxy in front and name it in"
            " HOLDFAST_TRUSTED_PROXIES, or every request from elsewhere is refused",
            configuration.host,
        )
