"""Who holds what: found in time, and asked only after those who must know of a change have heard of it."""

import socket
import threading
import time

import pytest

from holdfast.stores import open_both
from holdfast.stores.redis.keys import ALL_TAGS, SLOT_OF
from holdfast.testing import BlockingStore
from redis_impostor import SLOTS, info

ID = ALL_TAGS[7] + "x" * 23


@pytest.fixture
def hung():
    """Servers that take connections and never say a word: their ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(8)]
    yield [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()


def served_by(ports):
    """A map of a Cluster whose slots these share."""
    size = 16384 // len(ports)
    ranges = [
        f"*3\r\n:{at * size}\r\n:{at * size + size - 1}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n"
        for at, port in enumerate(ports)
    ]
    return (f"*{len(ranges)}\r\n" + "".join(ranges)).encode()


def test_hung_primaries_do_not_add_up(impostor, opening, face, hung):
    """The first look for the servers of a Cluster takes no longer than any call may."""
    guide = impostor(lambda command: served_by(hung) if command[0] == b"CLUSTER" else info(1))
    started = time.monotonic()
    store = opening(f"redis+cluster://127.0.0.1:{guide.port}", face, timeout=1.0)
    assert time.monotonic() - started < 2.5
    with pytest.raises(Exception, match="answer"):
        store.get(ID, now=1)


def test_who_waits_for_a_look_does_not_wait_for_ever(impostor, hung):
    """Another thread may be in it."""
    guide = impostor(lambda command: served_by(hung) if command[0] == b"CLUSTER" else info(1))
    core = open_both(f"redis+cluster://127.0.0.1:{guide.port}", timeout=0.3).blocking.core
    with core.topology._lock, pytest.raises(Exception, match="in time"):
        core.topology.discover(core.topology.looks)


def two_callers(both, face):
    """Two that share no connection."""
    if face == "threads":
        return both.blocking, both.blocking, lambda: None
    first, second = BlockingStore(both.asynchronous), BlockingStore(both.asynchronous)
    return first, second, first.close


def test_nobody_is_asked_before_all_have_heard_that_it_took_over(impostor, face):
    """`Remote.on_loss`: what is owed to the new primary is known before it answers anybody."""

    def answer(command):
        if command[0] == b"INFO":
            return info(1)
        if command[0] == b"CLUSTER":
            return SLOTS + f":{old.port}\r\n".encode()
        return b"$-1\r\n"

    old, new = impostor(answer), impostor(answer)
    both = open_both(f"redis+cluster://127.0.0.1:{old.port}", timeout=2.0)
    asker, other, close = two_callers(both, face)
    heard, askers = [], []

    def told():
        if askers:
            return
        askers.append(threading.Thread(target=lambda: other.get(ID, now=1)))
        askers[0].start()
        askers[0].join(0.3)
        heard.append(any(command[0] == b"EVALSHA" for command in new.heard))

    both.remote.on_loss(told)
    asker.get(ID, now=1)
    moved = f"-MOVED {SLOT_OF[ID[:2]]} 127.0.0.1:{new.port}\r\n".encode()
    old._answer = lambda command: moved if command[0] == b"EVALSHA" else answer(command)
    try:
        assert asker.get(ID, now=1).record is None
        assert heard == [False]
        askers[0].join(10)
        assert not askers[0].is_alive()
    finally:
        close()
        both.blocking.close()


def test_another_process_at_the_same_address_is_a_loss(impostor, face):
    """A proxy may leave the old connections hanging, so that none of them breaks (P14)."""
    names, order, go_on, hangs = [b"x"], [], threading.Event(), threading.Event()

    def answer(command):
        if command[0] == b"INFO":
            return info(0).replace(b"run_id:x", b"run_id:" + names[-1])
        if command[0] == b"EVALSHA":
            if len(names) == 1 and order:
                hangs.set()
                go_on.wait(10)
            order.append("asked")
        return b"$-1\r\n"

    server = impostor(answer)
    both = open_both(f"redis://127.0.0.1:{server.port}", timeout=5.0)
    hanging, other, close = two_callers(both, face)
    both.remote.on_loss(lambda: order.append("told"))
    hanging.get(ID, now=1)
    waiting = threading.Thread(target=lambda: hanging.get(ID, now=1))
    waiting.start()
    try:
        assert hangs.wait(5)
        names.append(b"y")
        other.get(ID, now=1)
        assert order == ["asked", "told", "asked"]
    finally:
        go_on.set()
        waiting.join()
        close()
        both.blocking.close()
