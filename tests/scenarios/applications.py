"""The applications under test: one in each framework in this process, and some behind real servers.

An application has `visitor()`, and `away()`, a while in which its store cannot be reached.
`OVER_HTTP` are those that run for themselves: each is a function that gets a `Running` service with
all that it needs and is a context manager of the application. A further one is a further row.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from forward_auth.proxies import PROXIES, running_application, running_proxy
from holdfast.errors import StoreUnavailable
from scenarios.visitors import BehindProxy, HttpBrowser, Visitor
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


@dataclass
class OverHttp:
    """An application at an address, that asks a running service."""

    address: str
    running: Running
    kind: type = Visitor

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
        yield OverHttp(address, running, BehindProxy)


OVER_HTTP = {name: partial(behind, name) for name in PROXIES}
HAVE_DATA = list(SITES)
"""Those whose handlers read and write the session itself."""
