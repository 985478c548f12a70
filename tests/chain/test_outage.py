"""What an outage says in the log: that it begins and why, that it lasts, that it is over; and no more."""

import threading

import pytest

from forking import in_a_child
from holdfast.chain import Refusal, error_reply
from holdfast.chain.outage import QUIET_MS, SAID_EVERY_MS, Outage
from holdfast.errors import NotDurable, StoreUnavailable
from holdfast.testing import FakeClock


class Told:
    def __init__(self, caplog):
        self.clock = FakeClock()
        self.outage = Outage(self.clock)
        self._caplog = caplog

    def refuse(self, times=1):
        for _ in range(times):
            assert self.outage.reply_to(StoreUnavailable("the disk is full")).status == 503

    def lines(self):
        """What was said since this was asked."""
        said = [(each.levelname, each.getMessage()) for each in self._caplog.records]
        self._caplog.clear()
        return said


@pytest.fixture
def told(caplog):
    return Told(caplog)


def test_its_beginning_is_said_once_with_the_reason(told):
    """However many requests it refuses."""
    told.refuse(1000)
    ((level, text),) = told.lines()
    assert (level, "the disk is full" in text, "503" in text) == ("WARNING", True, True)


def test_while_it_lasts_a_line_comes_now_and_then_with_a_count(told):
    """At most one in ten seconds, and none when nobody asks."""
    told.refuse(3)
    told.clock.advance(SAID_EVERY_MS - 1)
    told.refuse(4)
    assert len(told.lines()) == 1
    told.clock.advance(1)
    told.refuse(2)
    ((_, text),) = told.lines()
    assert "10 s" in text
    assert " 8 requests" in text  # the ninth was after the line


def test_its_end_is_said_once_with_how_long_it_was(told):
    """Until the last failure; what follows is another outage."""
    told.refuse(3)
    told.clock.advance(4000)
    told.refuse()
    told.clock.advance(QUIET_MS)
    told.outage.answered()
    told.outage.answered()
    _, (_, text) = told.lines()
    assert ("again after 4 s" in text, "4 got 503" in text) == (True, True)
    assert not told.outage.lasts
    told.refuse()
    ((_, text),) = told.lines()
    assert "does not answer" in text


def test_while_some_requests_fail_it_is_not_over(told):
    """One of several nodes is away, or only writes fail: it does not come and go in the log."""
    told.refuse()
    for _ in range(20):
        told.clock.advance(QUIET_MS // 2)
        told.refuse()
        told.clock.advance(QUIET_MS // 4)
        told.outage.answered()
    assert told.outage.lasts
    assert all("again" not in text for _, text in told.lines())


def test_a_clock_that_is_set_back_does_not_silence_it(told):
    """Both the lines meanwhile and the end come."""
    told.refuse()
    told.clock.advance(-3_600_000)
    told.refuse()
    assert len(told.lines()) == 2
    told.clock.advance(QUIET_MS)
    told.outage.answered()
    assert not told.outage.lasts


def test_who_felt_no_request_is_not_counted(told):
    """The background thread feels it, too."""
    told.outage.felt(StoreUnavailable("away"))
    told.clock.advance(QUIET_MS)
    told.outage.answered()
    assert "0 got 503" in told.lines()[-1][1]


def test_other_errors_are_no_outage(told):
    """What concerns one session is said each time, and a refusal by nobody."""
    for _ in range(2):
        told.outage.reply_to(NotDurable("no replica has it"))
        told.outage.reply_to(Refusal(error_reply(402, "pay_first")))
    assert [level for level, _ in told.lines()] == ["WARNING"] * 2
    assert not told.outage.lasts


def test_many_threads_say_it_once(told):
    """They all feel it at the same moment."""
    gate = threading.Barrier(8)

    def fail():
        gate.wait(20)
        told.refuse(50)

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert len(told.lines()) == 1


def test_a_child_of_a_fork_begins_anew(told):
    """The thread that had the lock is not there to let it go, and what the parent felt is the parent's."""
    told.refuse()

    def child():
        assert not told.outage.lasts
        told.refuse()
        assert told.outage.lasts

    with told.outage._lock:
        assert in_a_child(child) == 0
