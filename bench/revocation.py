"""From a revocation to its refusal in another process, whose near cache holds the session.

A second process keeps a session warm and asks for it again and again; the first one ends it durably. What is
measured is the time from the acknowledgement to the first reading that is refused. *Idle*: it asks ten
thousand times a second. *Load*: it asks without a pause, with one system call to a reading where a request has
several, while a third process reads and writes as fast as it can. *Cut*: nothing comes
any more on the connection that carries the changes, and the bound is all there is.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench import _engines
from bench import _measure as measure
from holdfast import Settings
from holdfast.assembly import assemble, now_ms
from holdfast.stores import open_both
from holdfast.testing.contracts.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.protocols import Store

COUNT, CUTS = (5, 1) if measure.QUICK else (10_000, 20)
ENGINES = (_engines.single, _engines.cluster, _engines.postgres)
IDLE_MS, LOADED_MS, BOUND_MS = 2.0, 10.0, 1000.0
WAIT_S = 0.0001


def watch(url: str, mode: str) -> None:
    """The second process: for each id of its input warm it, say so, ask until it is refused, say when."""
    parts = assemble(Settings(cache=True), secret=secrets.token_hex(32), store=url, audit=[])
    store, pause = parts.blocking_store, 0.0 if mode == "load" else WAIT_S
    for line in sys.stdin:
        id = line.strip()
        while not store.get(id, now=0).cached:
            time.sleep(WAIT_S)
        print("warm", flush=True)
        began = last = time.monotonic()
        while store.get(id, now=0).record is not None:
            last = began
            time.sleep(pause)
            began = time.monotonic()
        print(json.dumps([last, time.monotonic()]), flush=True)


def press(url: str) -> None:
    """The third process: reads and writes until it is ended."""
    store = open_both(url).blocking
    samples = Samples(store, now_ms)
    while True:
        record = samples.stored(f"busy-{os.urandom(2).hex()}")
        for _ in range(5):
            store.get(record.id, now=now_ms())
        store.delete(record.id, durable=False)


@contextmanager
def another(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """This program as another process."""
    command = [sys.executable, "-W", "ignore", "-m", "bench.revocation", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class Watcher:
    """The second process, as the first one sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def warm(self, id: str) -> None:
        """Return when the session is answered from memory there."""
        assert self._process.stdin
        self._process.stdin.write(f"{id}\n")
        self._process.stdin.flush()
        assert self._line() == "warm"

    def times(self) -> tuple[float, float]:
        """When the last request began that was served, and when one was refused.

        Both in the time of `time.monotonic`, which processes share.
        """
        last, refused = json.loads(self._line())
        return last, refused

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise SystemExit("the watching process has ended")
        return line


def lateness(store: Store, watcher: Watcher, samples: Samples, relay: Relay | None = None) -> float:
    """Milliseconds from one revocation to its refusal; 0 if it was refused before it was acknowledged.

    With a relay, which holds the changes back: to the beginning of the last request that was served.
    """
    record = samples.stored(f"user-{os.urandom(4).hex()}")
    watcher.warm(record.id)
    if relay:
        relay.hold()
    store.delete(record.id)
    ended = time.monotonic()
    last, refused = watcher.times()
    if relay:
        relay.go_on()
    return max((last if relay else refused) - ended, 0.0) * 1000


def many(url: str, mode: str) -> list[float]:
    """All of one mode."""
    store = open_both(url).blocking
    samples = Samples(store, now_ms)
    with ExitStack() as stack:
        if mode == "load":
            stack.enter_context(another("--press", url))
        watcher = Watcher(stack.enter_context(another("--watch", url, mode)))
        found = [lateness(store, watcher, samples) for _ in range(COUNT)]
    store.close()
    return found


def cut(url: str) -> list[float]:
    """With a channel that carries nothing from the moment of the revocation."""
    store = open_both(url).blocking
    samples = Samples(store, now_ms)
    with closing(Relay(urlsplit(url).port or 0)) as relay:
        through = url.replace(f":{urlsplit(url).port}", f":{relay.port}")
        with another("--watch", through, "idle") as process:
            watcher = Watcher(process)
            found = [lateness(store, watcher, samples, relay) for _ in range(CUTS)]
    store.close()
    return found


class Relay:
    """Passes bytes on; `hold` keeps back what comes on connections that carry changes."""

    MARKS = (b"TRACKING", b"LISTEN")

    def __init__(self, target: int) -> None:
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Nothing comes from now on."""
        self._flows.clear()

    def go_on(self) -> None:
        """What was held comes, and all that follows."""
        self._flows.set()

    def close(self) -> None:
        """No more connections."""
        self._flows.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._target))
                carries = threading.Event()
                for work in ((self._out, near, far, carries), (self._back, far, near, carries)):
                    threading.Thread(target=work[0], args=work[1:], daemon=True).start()

    def _out(self, near: socket.socket, far: socket.socket, carries: threading.Event) -> None:
        with suppress(OSError):
            while data := near.recv(65_536):
                if any(mark in data for mark in self.MARKS):
                    carries.set()
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _back(self, far: socket.socket, near: socket.socket, carries: threading.Event) -> None:
        with suppress(OSError):
            while data := far.recv(65_536):
                if carries.is_set():
                    self._flows.wait()
                near.sendall(data)


def of(name: str, values: list[float], must: float) -> tuple[list[measure.Figure], measure.Ratio]:
    """Median and p99 of one run, and the p99 against what it must be."""
    p99 = (
        statistics.quantiles(values, n=100, method="inclusive")[98]
        if len(values) > 1
        else values[0]
    )
    figures = [
        measure.Figure(
            f"{name}: median", "ms", statistics.median(values), min(values), max(values)
        ),
        measure.Figure(f"{name}: p99", "ms", p99, min(values), max(values)),
    ]
    return figures, measure.ratio(f"{name}: p99 / {must:g} ms", [p99], [must], must=1)


def main() -> None:
    """Measure, print, keep."""
    figures: list[measure.Figure] = []
    ratios: list[measure.Ratio] = []

    def note(found: tuple[list[measure.Figure], measure.Ratio]) -> None:
        figures.extend(found[0])
        ratios.append(found[1])

    for engine in ENGINES:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running: Any = stack.enter_context(engine(folder))
            for mode, must in (("idle", IDLE_MS), ("load", LOADED_MS)):
                note(of(f"{running.name}, {mode}", many(running.url, mode), must))
            if len(running.nodes) < 2:  # a Cluster names its nodes itself, past any relay
                values = cut(running.url)
                name = f"{running.name}, channel cut"
                figures.append(measure.figure(name, "ms", values))
                worst = [max(values)]
                ratios.append(
                    measure.ratio(f"{name}: worst / the bound of 1 s", worst, [BOUND_MS], must=1)
                )
    measure.publish("revocation", figures, ratios, ("redis", "hiredis", "psycopg"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watch(*sys.argv[2:4])
    elif sys.argv[1:2] == ["--press"]:
        press(sys.argv[2])
    else:
        main()
