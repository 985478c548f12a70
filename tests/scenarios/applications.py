"""The applications under test: one in each framework in this process, and some behind real servers.

An application has `visitor()`, and `away()`, a while in which its store cannot be reached.
`OVER_HTTP` are those that run for themselves: each is a function that gets a `Running` service with
all that it needs and is a context manager of the application. A further one is a further row.
"""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from forward_auth.proxies import PROXIES, running_application, running_proxy
from holdfast.errors import StoreUnavailable
from nodejs import running_node
from scenarios.relay import relayed
from scenarios.visitors import BehindProxy, HttpBrowser, InFrontOfExpress, Visitor
from service.running import Server, command, free_port
from web.browser import Browser
from web.sites import SITES

BUDGET = 20
"""Unsafe requests that a session may make."""


class InProcess:
    """A site of `web.sites` over a store that fails as the test wishes."""

    def __init__(self, name, parts):
        self.parts = parts
        self._app = SITES[name](parts.assembly)
        self._away = False

    def visitor(self):
        return Visitor(Browser(self._app))

    @contextmanager
    def away(self):
        def fail():
            if self._away:
                raise StoreUnavailable("as the test wishes")

        self._away = True
        self.parts.store.before("get", fail, times=100)
        yield
        self._away = False

    def meanwhile(self, visitor, **data):
        """Between reading and writing of the next request, another one changes the same session."""

        def other_request():
            session = self.parts.sessions.begin(visitor.cookie)
            session.update(data)
            self.parts.sessions.commit(session)

        self.parts.store.before("update", other_request)


@dataclass
class Running:
    """A service, with its store in a process of its own, and a folder for whoever asks it."""

    service: object
    store: object
    folder: object
    variables: dict
    npm_package: object
    """Where it is, for whoever needs it: call this."""


@dataclass
class OverHttp:
    """An application at an address, that asks a running service."""

    address: str
    running: Running
    kind: type = Visitor
    column: str = "sites"
    """Of the table of hostile requests."""

    def visitor(self):
        visitor = self.kind(HttpBrowser(self.address), name="session")
        visitor.service = self.running.service.url
        return visitor

    @contextmanager
    def away(self):
        self.running.store.pause()
        try:
            yield
        finally:
            self.running.store.resume()


@contextmanager
def behind(proxy, running):
    """An application that knows nothing of sessions, behind a proxy that asks the service."""
    with (
        running_application() as port,
        running_proxy(
            proxy, running.folder, service=running.service.port, application=port
        ) as address,
    ):
        yield OverHttp(address, running, BehindProxy, "proxies")


@dataclass
class InExpress(OverHttp):
    """The same site in another language, which reads and writes sessions through a service."""

    kind: type = InFrontOfExpress
    relay: object = None

    def meanwhile(self, visitor, **data):
        """As `InProcess`: before the service hears what the next request has written."""
        proof = visitor.proof()
        self.relay.before(b'"set":{"', lambda: visitor.change(headers=proof, **data))


@contextmanager
def in_express(running):
    """The site of the npm package, behind no proxy, so that its service believes no forwarded fact."""
    package, port = running.npm_package(), free_port()
    made = json.loads(command(None, "service-key", "shop", "--json").stdout)
    service = Server(running.folder / "home", SERVICE_KEYS=made["entry"], **running.variables)
    try:
        with (
            relayed(service.port) as relay,
            running_node(
                package / "test",
                "site.mjs",
                says="listening",
                SERVICE_URL=relay.url,
                SERVICE_KEY=made["key"],
                PORT=str(port),
            ),
        ):
            yield InExpress(f"http://localhost:{port}", running, relay=relay)
    finally:
        service.stop()


OVER_HTTP = {name: partial(behind, name) for name in PROXIES} | {"express": in_express}
HAVE_DATA = [*SITES, "express"]
"""Those whose handlers read and write the session itself."""
