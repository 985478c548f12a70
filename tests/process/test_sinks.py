"""Audit events leave as one line of JSON each, whatever is in them."""

import io
import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import Event, EventName, Severity, sinks

PLAIN = Event(name=EventName.SESSION_CREATED, at=1_700_000_000_123)
FULL = Event(
    name=EventName.AUTHN_TOKEN_REUSE,
    at=1_700_000_000_123,
    severity=Severity.CRITICAL,
    subject="ada",
    session="0a1b",
    reason="reused",
    address="192.0.2.7",
    user_agent="curl/8",
    request_id="r-1",
    detail={"generation": 3},
)
texts = (
    st.none() | st.text() | st.sampled_from(["\n", "\r\n", '"}\n{"', "\u2028", "\x7f", "\ud800"])
)
events = st.builds(
    Event,
    name=st.sampled_from(EventName),
    at=st.integers(0, 2**41),
    severity=st.sampled_from(Severity),
    subject=texts,
    session=texts,
    reason=texts,
    address=texts,
    user_agent=texts,
    request_id=texts,
    detail=st.dictionaries(st.text(), st.text() | st.integers(), max_size=3),
)


def test_a_line_says_everything():
    """R156, R157: names as documented, the time in UTC with its offset."""
    assert json.loads(sinks.line(FULL)) == {
        "event": "authn_token_reuse",
        "at": "2023-11-14T22:13:20.123+00:00",
        "severity": "CRITICAL",
        "subject": "ada",
        "session": "0a1b",
        "reason": "reused",
        "address": "192.0.2.7",
        "user_agent": "curl/8",
        "request_id": "r-1",
        "detail": {"generation": 3},
    }


def test_what_is_not_known_is_left_out():
    """No nulls, no empty detail."""
    assert list(json.loads(sinks.line(PLAIN))) == ["event", "at", "severity"]


@given(events)
def test_nothing_ends_a_line(event):
    """R159: one line of printable ASCII, and every value comes back as it was."""
    line = sinks.line(event)
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    for name in ("subject", "session", "reason", "address", "user_agent", "request_id"):
        assert found.get(name) == getattr(event, name)
    assert found.get("detail", {}) == dict(event.detail)
    told = datetime.fromisoformat(found["at"])
    assert (told - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == pytest.approx(
        event.at / 1000
    )


@given(st.lists(events, max_size=5))
def test_a_stream_has_one_line_for_each(happened):
    """And it is flushed, so that nothing waits in a buffer when the process dies."""
    stream = io.StringIO()
    sink = sinks.json_lines(stream)
    for event in happened:
        sink(event)
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line)["event"] for line in lines] == [event.name for event in happened]


def test_a_stream_is_flushed():
    """After each event."""
    flushed = []

    class Stream(io.StringIO):
        def flush(self):
            flushed.append(self.getvalue())

    sinks.json_lines(Stream())(PLAIN)
    assert flushed == [sinks.line(PLAIN) + "\n"]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (Severity.INFO, logging.INFO),
        (Severity.WARN, logging.WARNING),
        (Severity.CRITICAL, logging.CRITICAL),
    ],
)
def test_the_logger_gets_the_level(caplog, severity, level):
    """R161: `holdfast.audit` by default, so that a log can be sent anywhere."""
    event = Event(name=EventName.AUTHZ_FAIL, at=0, severity=severity, subject="100%s %d {x}")
    with caplog.at_level(logging.DEBUG, "holdfast.audit"):
        sinks.to_logging()(event)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("holdfast.audit", level)
    assert record.getMessage() == sinks.line(event)


def test_a_quiet_logger_costs_nothing(monkeypatch):
    """What nobody reads is not written."""
    logger = logging.getLogger("holdfast.test.quiet")
    monkeypatch.setattr(logger, "level", logging.CRITICAL)
    monkeypatch.setattr(sinks, "line", lambda _: pytest.fail("made a line"))
    sinks.to_logging(logger.name)(PLAIN)


def test_events_are_frozen():
    """A sink cannot change what the next one gets (R160)."""
    with pytest.raises(AttributeError):
        FULL.subject = "eve"
