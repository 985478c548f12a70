"""What Prometheus may read: requests, their times, audit events, and what the audit log has lost.

Off until `metrics_key` is set, and only for who holds that key. Labels come from the routes and from
the names of events, never from what a client sends, so their number is bounded (promise 7).

Several workers write to files in one folder, which `prepare` names before any of them starts; each of
them can then answer for all.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from holdfast.errors import ConfigurationError
from holdfast.service.operator_key import require_key

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from holdfast.events import Event
    from holdfast.web.asgi_types import App, Message, Receive, Scope, Send

FOLDER = "metrics"
_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "DELETE"})
_OTHER = "other"


def prepare(home: Path, environ: MutableMapping[str, str]) -> None:
    """Name an empty folder for the counts of several workers, who inherit the name."""
    folder = home / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    environ[_SHARED] = str(folder)


def forget_ended(folder: Path) -> None:
    """Remove what processes that have ended said of themselves; their counts stay."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if not _is_running(int(pid)):
            path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Losing(Protocol):
    """Whatever takes audit events and counts those that it could not deliver."""

    failures: int


class Metrics:
    """The counts of one process, or of its part of several.

    Raises:
        ConfigurationError: the extra `metrics` is not installed.
    """

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Histogram
        except ImportError:
            raise ConfigurationError(
                "metrics_key: metrics need an extra; for example: pip install 'holdfast[metrics]'"
            ) from None
        from holdfast.service.store_metrics import StoreMetrics

        self._losing: list[Losing] = []
        self._lost_before = 0
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "holdfast_requests",
            "Requests, by path of the service.",
            ("method", "path", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "holdfast_request_seconds",
            "Seconds until the last byte of the answer.",
            ("path",),
            registry=self._registry,
        )
        self._events = Counter(
            "holdfast_events", "Audit events.", ("event", "severity"), registry=self._registry
        )
        self._lost = Counter(
            "holdfast_audit_lost", "Audit events that a sink did not take.", registry=self._registry
        )
        self.store = StoreMetrics(self._registry)

    def note_unsettled(self, due: int) -> None:
        """Show when `keys settle` may be run, in Unix milliseconds; of several workers the latest.

        Only a process whose keys need it has this figure, so it goes when the command has been run
        and the process was restarted.
        """
        from prometheus_client import Gauge

        Gauge(
            "holdfast_keys_settle_due_timestamp_seconds",
            "When `holdfast keys settle` may be run, which it still has to be.",
            registry=self._registry,
            multiprocess_mode="livemax",
        ).set(due / 1000)

    def watch(self, *losing: Losing) -> None:
        """Count the audit events that these could not deliver."""
        self._losing += losing

    def sink(self, event: Event) -> None:
        """Count an audit event."""
        self._events.labels(event.name.value, event.severity.value).inc()

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = method if method in _METHODS else _OTHER
        self._requests.labels(known, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
        before = self._lost_before
        self._lost_before = sum(each.failures for each in self._losing)
        self._lost.inc(self._lost_before - before)

    def text(self) -> bytes:
        """All counts, of all workers, in Prometheus's text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if _SHARED not in os.environ:
            return generate_latest(self._registry)
        forget_ended(Path(os.environ[_SHARED]))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        return generate_latest(registry)


class Measured:
    """Counts every request of the application, with the path that the route has."""

    def __init__(self, app: App, metrics: Metrics, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._metrics = metrics
        named = [route for route in routes if isinstance(route, Route)]
        self._paths = frozenset(route.path for route in named)
        self._by_endpoint: dict[Any, str] = {route.endpoint: route.path for route in named}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - begun
            self._metrics.request(scope["method"], self._path(scope), status, seconds)

    def _path(self, scope: Scope) -> str:
        path: str = scope["path"]
        return path if path in self._paths else self._by_endpoint.get(scope.get("endpoint"), _OTHER)


def route(metrics: Metrics, key: str) -> Route:
    """The path that answers with the counts."""

    async def show(request: Request) -> Response:
        require_key(request, key, "metrics")
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(metrics.text(), headers={"Content-Type": kind})

    return Route("/metrics", show)
