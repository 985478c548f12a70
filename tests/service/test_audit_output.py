"""A reader of the log that is slow, stuck or gone stops no request (R164)."""

import json
import os
import subprocess
from contextlib import suppress
from queue import Full
from threading import Event as Signal

import httpx
import pytest

from holdfast import sinks
from holdfast.events import Event, EventName
from holdfast.service.audit_output import AuditOutput
from service.clients import bearer
from service.running import SERVE, environment, free_port, until


def event(number=0):
    return Event(name=EventName.AUTHZ_FAIL, at=number)


class Stream:
    """Where the lines go: it takes none until it is let go, and none that it `hates`."""

    def __init__(self):
        self.go = Signal()
        self.begun = Signal()
        self.taken = []
        self.hates = set()

    def write(self, text):
        self.begun.set()
        self.go.wait(30)
        ats = [json.loads(line)["at"] for line in text.splitlines()]
        if any(at in self.hates for at in ats):
            raise BrokenPipeError
        self.taken += ats

    def flush(self):
        pass


@pytest.fixture
def stuck():
    """A stream that takes nothing until it is let go."""
    stream = Stream()
    yield stream
    stream.go.set()


def test_events_come_out_in_order(stuck):
    """All of them, as soon as somebody reads."""
    output = AuditOutput(stuck)
    for number in range(100):
        output(event(number))
    assert stuck.taken == []
    stuck.go.set()
    output.close()
    assert stuck.taken == [at(number) for number in range(100)]
    assert output.failures == 0


def test_what_does_not_fit_is_refused(stuck):
    """Memory is bounded; the auditor counts what was refused."""
    output, accepted = AuditOutput(stuck, most=3), 0
    output(event(accepted))
    assert stuck.begun.wait(30)
    with suppress(Full):
        while True:
            accepted += 1
            output(event(accepted))
    assert accepted == 4
    stuck.go.set()
    until(lambda: len(stuck.taken) == accepted, "all that was accepted came out")
    output.close()


def test_a_stream_that_fails_is_counted_and_asked_again(stuck):
    """One event is lost, neither those beside it nor all later ones."""
    stuck.hates = {at(1), at(3), at(5)}
    output = AuditOutput(stuck)
    for number in range(6):
        output(event(number))
    stuck.go.set()
    output.close()
    assert (stuck.taken, output.failures) == ([at(0), at(2), at(4)], 3)


def test_nobody_reads_at_the_end(stuck, monkeypatch, caplog):
    """The process ends all the same, and what it leaves behind is counted."""
    monkeypatch.setattr("holdfast.service.audit_output._AT_EXIT_S", 0.05)
    output = AuditOutput(stuck, most=2)
    output(event())
    assert stuck.begun.wait(30)
    until(lambda: _filled(output), "the queue is full")
    output.close()
    assert (stuck.taken, output.failures) == ([], 3)
    assert "3 events" in caplog.text


def test_nobody_reads_what_is_the_last(stuck, monkeypatch, caplog):
    """All that waited is in the thread's hand, with the word that nothing more comes."""
    monkeypatch.setattr("holdfast.service.audit_output._AT_EXIT_S", 1.0)
    monkeypatch.setattr("holdfast.service.audit_output._GATHER_S", 0.3)
    output = AuditOutput(stuck)
    output(event())
    output(event())
    output.close()
    assert stuck.begun.is_set()
    assert (stuck.taken, output.failures) == ([], 2)
    assert "2 events" in caplog.text


def test_a_quiet_end_says_nothing(stuck, caplog):
    """Everything came out."""
    stuck.go.set()
    output = AuditOutput(stuck)
    output(event())
    output.close()
    assert (len(stuck.taken), output.failures, caplog.text) == (1, 0, "")


def at(number):
    return sinks.as_dict(event(number))["at"]


def _filled(output):
    try:
        output(event())
    except Full:
        return True
    return False


@pytest.mark.parametrize("how", ["stuck", "closed"])
def test_the_service_goes_on_without_its_log(tmp_path, how):
    """Standard output that nobody reads, or that is closed: requests are judged as ever."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    here, there = os.pipe()
    process = subprocess.Popen(
        [*SERVE, "--demo"], env=environment(tmp_path / "home", PORT=port), stdout=there
    )
    os.close(there)
    try:
        until(lambda: _answers(url), "it answers")
        if how == "closed":
            os.close(here)
        agent = {"User-Agent": "x" * 200, **bearer("junk")}
        with httpx.Client(base_url=url, timeout=20) as client:
            answers = [client.get("/api/me", headers=agent) for _ in range(500)]
            assert {answer.status_code for answer in answers} == {401}
            assert client.get("/readyz").status_code == 200
    finally:
        process.terminate()
        process.wait(30)
        if how == "stuck":
            os.close(here)


def _answers(url):
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.HTTPError:
        return False
