"""Kill -9 of workers and of the whole service at random moments under load: nothing acknowledged is lost.

scripts/prove crash --minutes 10 [--clients 8] [--workers 2] [--seed TEXT] [--json]
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Event

from proofs.traffic import Client
from service.running import Server, free_port, until

TESTS = Path(__file__).parents[1]
WHOLE = 6
"""Of so many kills one hits the whole service."""


class Crash:
    """A service under load, and somebody who kills it; `report()` is what came of it."""

    def __init__(self, folder: Path, *, clients=8, workers=2, seed="0"):
        self.kills = Counter()
        self._folder = folder
        self._workers = workers
        self._port = free_port()
        self._random = random.Random(seed)
        self._server = self._start()
        self._stop = Event()
        url = self._server.url
        self._clients = [Client(url, number, seed, self._stop) for number in range(clients)]
        for client in self._clients:
            client.start()

    def go_on(self, seconds, most=None, progress=lambda: None):
        """Kill something every now and then, for that long or that often."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.failures:
            if most is not None and self.kills.total() >= most:
                break
            time.sleep(self._random.uniform(0.1, 1.2))
            self._kill()
            progress()

    def finish(self):
        """Let the clients check once more what they know, and stop the service."""
        self._stop.set()
        for client in self._clients:
            client.join()
        self._server.stop()

    @property
    def failures(self):
        """What was lost."""
        return [failure for client in self._clients for failure in client.failures]

    @property
    def acknowledged(self):
        """How much was acknowledged, by kind."""
        return sum((client.done for client in self._clients), Counter())

    def report(self):
        return {
            "kills": dict(self.kills),
            "acknowledged": dict(sorted(self.acknowledged.items())),
            "lost": self.failures,
        }

    def _kill(self):
        if self.kills.total() % WHOLE == WHOLE // 2:
            self._server.kill()
            self._server = self._start()
            self.kills["service"] += 1
            return
        until(lambda: self._server.workers, "a worker")
        with suppress(ProcessLookupError, IndexError):
            os.kill(self._random.choice(self._server.workers), signal.SIGKILL)
            self.kills["worker"] += 1

    def _start(self):
        # A retry after an outage must not count as reuse, however slow this machine is.
        return Server(
            self._folder,
            *("--workers", str(self._workers), "--authenticator", "proofs.people:check"),
            port=self._port,
            paths=[TESTS],
            PROFILE="development",
            REFRESH_GRACE="5m",
            RATE="1000000/15m",
        )


def _options():
    parser = argparse.ArgumentParser(prog="scripts/prove crash", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--json", action="store_true", help="the result as JSON, on stdout")
    return parser.parse_args()


def main():
    options = _options()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home, counts = Path(folder), {"clients": options.clients, "workers": options.workers}
        crash = Crash(home, **counts, seed=options.seed)
        progress = Progress(crash, options.minutes * 60)
        crash.go_on(options.minutes * 60, progress=progress)
        crash.finish()
        progress.last()
    seconds = round(time.monotonic() - begun)
    show({"seed": options.seed, "seconds": seconds, **crash.report()}, as_json=options.json)
    sys.exit(1 if crash.failures else 0)


class Progress:
    """How far it is, on standard error: one line that is overwritten; in a log one every ten seconds."""

    def __init__(self, crash, seconds):
        self._crash = crash
        self._seconds = seconds
        self._begun = time.monotonic()
        self._next = 0
        self._end = "\r" if sys.stderr.isatty() else "\n"

    def __call__(self):
        past = time.monotonic() - self._begun
        if past >= self._next or self._end == "\r":
            self._next = past + 10
            self._say(past, self._end)

    def last(self):
        self._say(time.monotonic() - self._begun, "\n")

    def _say(self, past, end):
        crash = self._crash
        parts = f"{past:.0f} of {self._seconds:.0f} s", f"{crash.kills.total()} kills"
        counts = f"{crash.acknowledged.total()} acknowledged", f"{len(crash.failures)} lost"
        print(", ".join((*parts, *counts)), end=end, file=sys.stderr, flush=True)


def show(report, *, as_json):
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for name, value in report.items():
        pairs = value.items() if isinstance(value, dict) else ()
        print(f"{name}: {', '.join(f'{count} {what}' for what, count in pairs) or value}")


if __name__ == "__main__":
    main()
