"""A process of its own with a store and a near cache, told what to do on its standard input.

    python neighbour.py URL FACE CACHE        FACE: threads or coroutines; CACHE: yes or no

One JSON object a line, in and out. Times are those of CLOCK_MONOTONIC, which all processes share.
"""

import asyncio
import json
import sys
import time

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.errors import StoreUnavailable

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
PATIENCE = 20


class Neighbour:
    def __init__(self, url, face, cache):
        settings = Settings(cache=cache == "yes")
        self.parts = assemble(settings, secret=SECRET, store=url, audit=[])
        self.threads = face == "threads"
        self.loop = None if self.threads else asyncio.new_event_loop()

    def get(self, id):
        if self.threads:
            return self.parts.blocking_store.get(id, now=0)
        return self.loop.run_until_complete(self.parts.store.get(id, now=0))

    def warm(self, id):
        """Read until it is answered from memory."""
        deadline = time.monotonic() + PATIENCE
        while not self.get(id).cached:
            if time.monotonic() > deadline:
                return {"warm": False}
            time.sleep(0.002)
        return {"warm": True}

    def once(self, id):
        """Read it."""
        return {"served": self.get(id).record is not None}

    def watch(self, id):
        """Read until it is refused: when the last request that was served had begun.

        Says so once the first has been served, so that nothing is ended before.
        """
        deadline, last, served = time.monotonic() + PATIENCE, None, 0
        while time.monotonic() < deadline:
            began = time.monotonic()
            try:
                served_now = self.get(id).record is not None
            except StoreUnavailable:
                return {"last": last, "served": served, "refused": "unavailable"}
            if not served_now:
                return {"last": last, "served": served, "refused": "unknown"}
            last, served = began, served + 1
            if served == 1:
                say({"watching": True})
        return {"last": last, "served": served, "refused": None}

    def revoke(self, id):
        """End it, and say when that was acknowledged."""
        if self.threads:
            done = self.parts.blocking_store.delete(id, durable=True)
        else:
            done = self.loop.run_until_complete(self.parts.store.delete(id, durable=True))
        return {"done": done, "acknowledged": time.monotonic()}

    def everyone(self, id):
        """End all sessions."""
        self.parts.blocking_store.bump_epoch()
        return {"acknowledged": time.monotonic()}

    def close(self):
        if self.loop is not None:
            self.loop.run_until_complete(self.parts.store.close())
            self.loop.close()
        self.parts.close()


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main():
    neighbour = Neighbour(*sys.argv[1:])
    for line in sys.stdin:
        order = json.loads(line)
        say(getattr(neighbour, order["do"])(order["id"]))
    neighbour.close()


if __name__ == "__main__":
    main()
