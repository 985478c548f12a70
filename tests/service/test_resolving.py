"""A look-up that hangs, and addresses that do not answer, take no longer than the time limit."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from holdfast.service.http_authenticator import load
from holdfast.service.resolving import Resolver

HOST, PORT = "app.example.org", 443
STREAM = (socket.AF_INET, socket.SOCK_STREAM, 6, "")


class LookUp:
    """Knows these addresses, once it does not hang any more."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.asked, self.goes_on = [], Event()

    def __call__(self, host, port, *, type):
        self.asked.append((host, port))
        assert self.goes_on.wait(30)
        return [(*STREAM, address) for address in self.addresses]


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def silent():
    """An address that takes no connection and refuses none: its queue is full."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        socket.create_connection(server.getsockname()),
    ):
        yield server.getsockname()


def soon(seconds=0.2):
    return time.monotonic() + seconds


def test_a_look_up_that_hangs_is_not_waited_for(listening):
    """However many ask meanwhile, one thread does; and who asks later gets what it has found."""
    look_up = LookUp(listening)
    resolver = Resolver(look_up)

    def ask(_):
        with pytest.raises(TimeoutError):
            resolver.connect(HOST, PORT, soon())

    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert time.monotonic() - started < 2
    assert look_up.asked == [(HOST, PORT)]
    look_up.goes_on.set()
    resolver.connect(HOST, PORT, soon(5)).close()


def test_each_question_is_looked_up_anew(listening):
    """Unless one is under way: the host may have moved."""
    look_up = LookUp(listening)
    look_up.goes_on.set()
    resolver = Resolver(look_up)
    for _ in "12":
        resolver.connect(HOST, PORT, soon(5)).close()
    assert len(look_up.asked) == 2


def test_all_addresses_share_the_time(silent):
    """Of many that do not answer not each has a limit of its own."""
    look_up = LookUp(*[silent] * 20)
    look_up.goes_on.set()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        Resolver(look_up).connect(HOST, PORT, soon())
    assert time.monotonic() - started < 2


def test_one_that_refuses_is_passed_over(listening):
    """As long as there is time for the next."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        refused = gone.getsockname()
    look_up = LookUp(refused, listening)
    look_up.goes_on.set()
    with Resolver(look_up).connect(HOST, PORT, soon(5)) as connection:
        assert connection.getpeername() == listening
        assert 0 < connection.gettimeout() <= 5


@pytest.mark.parametrize("error", [socket.gaierror("unknown"), UnicodeError("too long")])
def test_a_host_that_nobody_knows(error):
    """And the next question is asked again."""
    asked = []

    def look_up(*_, **__):
        asked.append(1)
        raise error

    resolver = Resolver(look_up)
    for _ in "12":
        with pytest.raises(OSError):
            resolver.connect(HOST, PORT, soon(5))
    assert len(asked) == 2


def test_a_sign_in_does_not_wait_for_a_look_up():
    """The time limit of the authenticator is for all of it."""
    asked = load(f"https://{HOST}/check", key="k" * 20, within=0.3)
    asked.resolver._look_up = look_up = LookUp()
    started = time.monotonic()
    with pytest.raises(Exception, match="refused with status 503"):
        asked.check("ada@example.org", "x")
    assert 0.25 < time.monotonic() - started < 2
    look_up.goes_on.set()
