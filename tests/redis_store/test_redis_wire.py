"""A connection for a thread keeps its time limit, whatever the server does, and whatever the last one was."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest

from holdfast.stores.redis.errors import Late, Lost
from holdfast.stores.redis.target import Address
from holdfast.stores.redis.wire import AsyncWire, Wire, pack

PING = pack([("PING",)])


def ask(wire, seconds):
    return wire.ask(PING, 1, time.monotonic() + seconds)


@pytest.fixture
def server(servers):
    return servers.start()


@pytest.fixture
def wire(server):
    made = Wire(Address("127.0.0.1", server.port), None, time.monotonic() + 5)
    yield made
    made.close()


def test_each_call_has_a_limit_of_its_own(server, wire):
    """A long one leaves nothing behind for a short one, nor a short one for a long one."""
    assert ask(wire, 5) == ask(wire, 0.2) == ask(wire, 5) == [b"PONG"]
    server.pause()
    threading.Timer(0.5, server.resume).start()
    assert ask(wire, 5) == [b"PONG"]
    server.pause()
    started = time.monotonic()
    with pytest.raises(Late):
        ask(wire, 0.3)
    assert 0.2 < time.monotonic() - started < 1
    server.resume()


def test_who_has_listened_may_ask(server, wire):
    """The short time for which a message was waited for is none of the next question."""
    assert ask(wire, 5) == [b"PONG"]
    assert wire.receive(0.01) == []
    server.pause()
    threading.Timer(0.3, server.resume).start()
    assert ask(wire, 5) == [b"PONG"]


def test_a_good_bye_before_the_first_question(caplog):
    """A server with too many clients says so unasked; that is a lost connection like any other."""

    async def main():
        async def refuse(_reader, writer):
            writer.write(b"-ERR max number of clients reached\r\n")
            await writer.drain()
            writer.close()

        ended = asyncio.Event()
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            address = Address(*server.sockets[0].getsockname())
            loop = asyncio.get_running_loop()
            await loop.create_connection(
                lambda: AsyncWire(address, lambda _wire: ended.set()), *address
            )
            await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(main())
    assert caplog.text == ""


def test_more_than_was_asked_for_is_no_answer():
    """Whatever the server meant by it, the next answer would be that of another question."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wire = Wire(Address(*listening.getsockname()), None, time.monotonic() + 5)
        peer, _ = listening.accept()
        with peer:
            peer.sendall(b"+one\r\n+two\r\n")
            with pytest.raises(Lost):
                ask(wire, 5)
        wire.close()


def test_a_reply_that_trickles_in_is_late_as_well():
    """The limit is for the whole answer, not for each of its bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()

        def trickle():
            peer, _ = listening.accept()
            with peer, contextlib.suppress(OSError):
                for _ in range(100):
                    peer.sendall(b"+")
                    if stop.wait(0.05):
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        wire = Wire(Address(*listening.getsockname()), None, time.monotonic() + 5)
        started = time.monotonic()
        with pytest.raises(Late):
            ask(wire, 0.5)
        assert time.monotonic() - started < 1.5
        stop.set()
        thread.join()
        wire.close()
