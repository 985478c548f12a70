"""Processes of `test_background.py`, `test_keyfile.py` and `test_key_lock.py`: each prints what it did.

Run as a program it is the process; `run_worker` starts several of them at the same time.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from holdfast import Settings, keyfile
from holdfast.background import Background
from holdfast.engine import Touch
from holdfast.stores import open_both

TIMEOUT = 60


def run_worker(task, *args, times=1):
    """What `times` processes with this task have printed, line by line."""
    command = [sys.executable, __file__, task, *args]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(times)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:  # all at once
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=TIMEOUT)[0] for process in running]
    assert [process.returncode for process in running] == [0] * times
    return [line for output in outputs for line in output.splitlines()]


@contextmanager
def started(task, *args):
    """One process with this task, which has begun; it is ended here if it has not ended by itself."""
    command = [sys.executable, __file__, task, *args]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            tell(process, "go")
            yield process
        finally:
            process.kill()


def tell(process, word):
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def sweep(url):
    store = open_both(url).blocking
    say(Background(store, Settings(), lambda: 1_700_000_000_000).sweep())
    store.close()


def touch_and_exit(url, id):
    """End without closing anything."""
    background = Background(open_both(url).blocking, Settings(), lambda: 0)
    background.collect(Touch(id, 7, 7, None))
    say("collected")


def touch_and_fork(url, of_parent, of_child):
    store = open_both(url).blocking
    sent = threading.Event()
    settings = Settings(flush_every=timedelta(milliseconds=5))
    background = Background(store, settings, lambda: 0)
    background.start = lambda: None  # the parent sends at its end
    background.collect(Touch(of_parent, 7, 7, None))
    if os.fork() == 0:
        del background.start
        store.after_fork()
        pending, touch = len(background._pending), store.touch
        store.touch = lambda *args, **options: (touch(*args, **options), sent.set())
        background.collect(Touch(of_child, 8, 8, None))
        how = "by its thread" if sent.wait(TIMEOUT) else "in vain"
        say(f"child: {pending} pending, sent {how}")
        background.close()
        os._exit(0)
    os.wait()
    say(f"parent: {len(background._pending)} pending")
    background.close()


def make_keys(path):
    say(keyfile.load_or_create(Path(path), environment="development", entropy=os.urandom).dump())


def change_keys(path, secret):
    """Held within its change until it is told to go on."""

    def how(ring):
        say("changes")
        sys.stdin.readline()
        return ring.announced(secret)

    keyfile.change(Path(path), how)


def command(*arguments):
    """`holdfast …`, which says when it waits for another one."""
    from holdfast import cli

    def pause(seconds):
        say("waits")
        time.sleep(seconds)

    keyfile.sleep = pause
    sys.argv = ["holdfast", *arguments]
    cli.main()


if __name__ == "__main__":
    say("ready")
    sys.stdin.readline()
    globals()[sys.argv[1]](*sys.argv[2:])
