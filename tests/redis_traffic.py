"""Requests that go on while servers come to harm, and what they were told."""

import threading

from holdfast.errors import NotDurable, StoreError


class Traffic:
    """Threads that sign in, read, change and end sessions until they are stopped.

    `ended` are the ids whose end was acknowledged as durable, `failures` whatever was raised that is
    no `StoreError`: an application would answer 500.
    """

    def __init__(self, store, samples, clock, threads=2):
        self.store, self.samples, self.clock = store, samples, clock
        self.ended, self.failures, self.refusals = set(), [], 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for each in self._threads:
            each.join(30)

    def _run(self):
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                self._visit(f"user-{number % 20}")
            except StoreError:
                self.refusals += 1
                self._stop.wait(0.02)
            except Exception as error:
                self.failures.append(error)

    def _visit(self, subject):
        record = self.samples.record(subject)
        self.store.insert(record, now=self.clock())
        self.store.get(record.id, now=self.clock())
        self.store.touch(record.id, seen_at=self.clock(), expires_at=record.expires_at)
        try:
            if self.store.delete(record.id):
                self.ended.add(record.id)
        except NotDurable:
            self.refusals += 1


def revived(store, traffic, clock):
    """Those of the ended sessions that are there again."""
    return [id for id in traffic.ended if store.get(id, now=clock()).record is not None]
