"""One process of `test_sqlite_processes.py`: it prints what was acknowledged to it."""

import os
import sys
import threading
import warnings

from holdfast.protocols import Cap, Take
from holdfast.record import changed
from holdfast.stores.sqlite import SqliteStore, writer
from holdfast.testing import FakeClock
from holdfast.testing.contracts.samples import Samples

NOW = FakeClock()()


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def step(store, id):
    """Add one to a number, again until nobody else was faster."""
    while True:
        old = store.get(id, now=NOW).record
        version = int.from_bytes(os.urandom(8), "big")
        new = changed(old, data=b"%d" % (int(old.data) + 1), version=version)
        if store.update(new, expected=old.version):
            return


def count(store, id, times):
    for _ in range(int(times)):
        step(store, id)
    say(times)


def write_on(store, id, times):
    """Count, with a checkpoint every 100 times, and stay: a process that ends cuts the log."""
    writer._CHECKPOINT_AFTER = 100
    count(store, id, times)
    threading.Event().wait()


def sign_in(store, subject, times):
    samples = Samples(store, FakeClock())
    for _ in range(int(times)):
        store.insert(samples.record(subject), now=NOW, cap=Cap(5, "evict_oldest"))


def spend(store, id, times):
    take = Take("key", 50, 3_600_000)
    readings = [store.get(id, now=NOW, take=take) for _ in range(int(times))]
    say(sum(reading.taken.allowed for reading in readings))


def salt(store):
    say(store.salt().hex())


def insert(store):
    samples = Samples(store, FakeClock())
    while True:
        say(samples.stored(data=b"x" * 3000).id)


def delete(store, *ids):
    for id in ids:
        store.delete(id, durable=False)
        say(id)
    threading.Event().wait()


def end_what_is_hot(store, times):
    """Sessions that are ended as soon as the other side has answered, each end said when acknowledged."""
    samples = Samples(store, FakeClock())
    for _ in range(int(times)):
        id = samples.stored().id
        say(id)
        sys.stdin.readline()
        store.delete(id, durable=False)
        say("ended")


def fork_under_load(store, id, threads):
    """Threads count while the main thread forks children that count nothing and exit."""
    warnings.simplefilter("ignore", DeprecationWarning)
    workers = [
        threading.Thread(target=lambda: [step(store, id) for _ in range(50)])
        for _ in range(int(threads))
    ]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        child = os.fork()
        if child == 0:
            os._exit(0 if store.get(id, now=NOW).record else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    say(50 * int(threads))


if __name__ == "__main__":
    opened = SqliteStore(sys.argv[1])
    globals()[sys.argv[2]](opened, *sys.argv[3:])
    opened.close()
