"""One process of the tests: it prints what was acknowledged to it, a line each."""

import sys
import threading
import time

from holdfast.stores.postgres import PostgresStore
from holdfast.testing.contracts.samples import Samples


def now():
    return time.time_ns() // 1_000_000


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def salt(store):
    say(store.salt().hex())


def delete(store, *ids):
    for id in ids:
        store.delete(id)
        say(id)
    threading.Event().wait()


def insert(store):
    samples = Samples(store, now)
    while True:
        say(samples.stored(data=b"x" * 3000).id)


if __name__ == "__main__":
    url, schema, job, *arguments = sys.argv[1:]
    opened = PostgresStore(url, schema=schema)
    globals()[job](opened, *arguments)
    opened.close()
