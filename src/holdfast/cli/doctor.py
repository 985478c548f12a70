"""`holdfast doctor`: what is wrong, or would be soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from holdfast.cli import doctor_remote, output
from holdfast.cli.doctor_remote import Finding
from holdfast.cli.opening import Data, configured, opened
from holdfast.cli.options import Home, Json, Store
from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from holdfast.service.environment import Configuration

_RELEASED = 1_763_000_000
_OPEN_TO_OTHERS = 0o077


def doctor(*, home: Home = None, store: Store = None, json: Json = False) -> None:
    """Check settings, keys, store and clock; the exit code is 1 if something has failed."""
    findings = list(_findings(home, store))
    if json:
        output.as_json([finding._asdict() for finding in findings])
    else:
        output.table(("check", "state", "finding"), findings, none="")
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


def _findings(home: str | None, store: str | None) -> Iterator[Finding]:
    yield _clock(time.time())
    try:
        configuration = configured(home, store)
    except HoldfastError as error:
        yield Finding("settings", "failed", str(error))
        return
    yield Finding("settings", "ok", f"profile {configuration.profile}")
    yield _private("home", configuration.home, "chmod 700")
    yield from _cookie(configuration)
    yield _tried("keys", lambda: _keys(configuration))
    try:
        with opened(home, store) as data:
            answered = _tried("store", lambda: Finding("store", "ok", _store(data)))
            yield answered
            if data.assembly.wrapped is not None and answered.state == "ok":
                yield from doctor_remote.findings(data.assembly)
    except HoldfastError as error:
        yield Finding("store", "failed", str(error))


def _tried(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except HoldfastError as error:
        return Finding(name, "failed", str(error))


def _clock(now: float) -> Finding:
    if now < _RELEASED:
        return Finding("clock", "failed", "is before this release; set the time")
    return Finding("clock", "ok", output.moment(int(now * 1000)))


def _private(name: str, path: Path, cure: str) -> Finding:
    if not path.exists():
        return Finding(name, "warning", f"{path} does not exist yet; a first start makes it")
    if path.stat().st_mode & _OPEN_TO_OTHERS:
        return Finding(name, "failed", f"{path} is open to others; for example: {cure} {path}")
    return Finding(name, "ok", str(path))


def _cookie(configuration: Configuration) -> Iterator[Finding]:
    cookie, hosts = configuration.settings.cookie, configuration.settings.plain_http_hosts
    if not cookie.secure and not configuration.development:
        yield Finding("cookie", "failed", "is not Secure; for example HOLDFAST_COOKIE_SECURE=yes")
    elif hosts and cookie.secure:
        text = f"Secure cookies are lost on plain http://{hosts[0]}: HOLDFAST_PLAIN_HTTP_HOSTS"
        yield Finding("cookie", "warning", text)
    else:
        yield Finding("cookie", "ok", cookie.name)


def _keys(configuration: Configuration) -> Finding:
    from holdfast import keyfile
    from holdfast.rules.keys import KeyRing
    from holdfast.service.home import KEY_FILE
    from holdfast.service.unsettled import unsettled

    environment, now = configuration.settings.environment, int(time.time() * 1000)
    if configuration.secrets:
        ring = KeyRing.from_secrets(configuration.secrets, environment=environment)
        return Finding("keys", "ok", f"{len(ring.masters)} from HOLDFAST_SECRET")
    path = configuration.home / KEY_FILE
    if not path.exists():
        return Finding("keys", "ok", f"{path} does not exist yet; a first start makes it")
    ring = keyfile.load(path)
    still = unsettled(ring, configuration.settings)
    if still is not None:
        return Finding("keys", "warning" if still.is_old(now) else "ok", still.sentence())
    return Finding("keys", "ok", f"{len(ring.masters)} in {path}")


def _store(data: Data) -> str:
    """A real write and a real read."""
    from holdfast import probe
    from holdfast.assembly import now_ms
    from holdfast.faces import async_shaped, run

    run(probe.write(async_shaped(data.assembly.blocking_store), now_ms()))
    missing = data.administration.missing_users(named=bool(data.configuration.users))
    return f"answers; {missing}" if missing else "answers"
