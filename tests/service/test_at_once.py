"""Questions that the connection itself answers: as the application would, and in its turn."""

import asyncio
import re

import pytest

from holdfast.service.connection import Connection
from service.clients import bearer
from service.lines import Line

KEY = "a key for metrics: nine gulls, 44 limpets"
HOST = b"Host: 127.0.0.1:8080\r\n"
SLOW = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
ASKED = (
    b"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /page\r\nX-Forwarded-Host: app.example.org\r\n"
    b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n"
)
OTHERWISE = b"Connection: keep-alive\r\n"


@pytest.fixture
def variables():
    return {"TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
def cookie(client):
    client.sign_in()
    return b"Cookie: session=" + client.http.cookies["session"].encode() + b"\r\n"


@pytest.fixture
def tasks(monkeypatch):
    """The requests that were handed to the application as a task."""
    seen = []
    start = Connection._start_asgi_task

    def noted(self, cycle, app):
        seen.append(cycle.scope["path"])
        start(self, cycle, app)

    monkeypatch.setattr(Connection, "_start_asgi_task", noted)
    return seen


def question(*more, target=b"/forward-auth", method=b"GET", version=b"1.1", asked=ASKED):
    line = method + b" " + target + b" HTTP/" + version + b"\r\n"
    return line + HOST + asked + b"".join(more) + b"\r\n"


def answers(context, *pieces):
    """What the server sends while these bytes come, piece by piece."""

    async def story():
        line = Line(context)
        line.connection.server_state.default_headers = [(b"date", b"today")]
        for piece in pieces:
            line.send(piece)
        await line.answered()
        assert not line.wire.closed
        return line.wire.sent

    return asyncio.run(story())


def statuses(sent):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", sent)]


def lines(sent):
    return sorted(sent.split(b"\r\n"))


def test_who_is_signed_in_passes_without_a_task(context, cookie, ada, tasks):
    sent = answers(context, question(cookie))
    assert b"x-auth-subject: " + ada.subject.encode() + b"\r\n" in sent
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert tasks == []


@pytest.mark.parametrize(
    ("of", "status"),
    [
        ({}, 401),
        ({"target": b"/forward-auth?role=admin"}, 401),
        ({"target": b"/forward-auth/page?a=b", "asked": b""}, 401),
        ({"target": b"/forward-auth/page"}, 403),
        ({"asked": b""}, 403),
    ],
)
def test_the_answer_is_the_one_of_the_application(context, tasks, of, status):
    """Byte for byte, whoever gives it."""
    at_once = answers(context, question(**of))
    assert tasks == []
    by_the_application = answers(context, question(OTHERWISE, **of))
    assert len(tasks) == 1
    assert statuses(at_once) == [status]
    assert lines(at_once) == lines(by_the_application)


def test_a_session_of_the_application_is_the_same(context, cookie, tasks):
    assert lines(answers(context, question(cookie))) == lines(
        answers(context, question(cookie, OTHERWISE))
    )
    assert len(tasks) == 1


@pytest.mark.parametrize(
    "of",
    [
        {"method": b"HEAD"},
        {"method": b"POST"},
        {"version": b"1.0"},
        {"target": b"/forward%2Dauth"},
        {"target": b"/forward-auth?role=admin#x"},
        {"target": b"/healthz"},
    ],
)
def test_what_is_unlike_most_is_for_the_application(context, cookie, tasks, of):
    """Its rules for such requests are kept in one place."""

    async def story():
        line = Line(context)
        line.send(question(cookie, **of))
        await line.answered()

    asyncio.run(story())
    assert len(tasks) == 1


def test_a_question_with_a_body_is_for_the_application(context, cookie, tasks):
    """Also where the head comes in pieces: the body is no request."""
    head = question(b"Content-Length: 5\r\n", cookie)
    at = head.index(b"session=")
    assert statuses(answers(context, head[:at], head[at:], b"GET /")) == [200]
    assert tasks == ["/forward-auth"]


def test_an_answer_under_way_comes_first(context, cookie, tasks):
    """Whoever sends several requests at once gets the answers in their order."""
    sent = answers(context, SLOW + question(cookie), question(cookie))
    assert statuses(sent) == [200, 200, 200]
    assert sent.index(b"x-auth-subject") > sent.index(b"HTTP/1.1 200", 1)
    assert len(tasks) == 3


def test_others_get_their_turn(context, cookie, tasks):
    """Of many questions in one packet one is answered at once, and the loop goes round for the rest."""
    assert statuses(answers(context, question(cookie) * 20)) == [200] * 20
    assert len(tasks) == 19


def test_an_answer_behind_it_may_take_long(context, cookie, tasks):
    """The time that a connection may rest does not run while the next request is answered."""

    async def story():
        line = Line(context)
        line.send(question(cookie) + SLOW)
        assert line.loop.pending() == []
        await line.answered()
        assert statuses(line.wire.sent) == [200, 200]
        assert len(line.loop.pending()) == 1

    asyncio.run(story())
    assert tasks == ["/healthz"]


def test_half_a_head_behind_it_has_a_time_limit(context, cookie):
    """Who sends it in one packet with a question does not hold the connection (P37)."""

    async def story():
        line = Line(context)
        line.send(question(cookie) + SLOW[:10])
        assert len(line.loop.pending()) == 1

    asyncio.run(story())


@pytest.mark.parametrize("name", [b"Connection", b"Proxy-Connection"])
def test_who_asks_for_the_end_of_the_connection_gets_it(context, cookie, name):
    """The parser takes both names for one."""

    async def story():
        line = Line(context)
        line.send(question(cookie, name + b": close\r\n"))
        await line.answered()
        assert statuses(line.wire.sent) == [200]
        assert line.wire.closed

    asyncio.run(story())


def test_a_client_that_does_not_read_is_not_written_to(context, cookie, tasks):
    async def story():
        line = Line(context)
        line.connection.pause_writing()
        line.send(question(cookie))
        assert line.wire.sent == b""
        line.connection.resume_writing()
        await line.answered()
        assert statuses(line.wire.sent) == [200]

    asyncio.run(story())
    assert len(tasks) == 1


def test_a_change_that_is_due_is_waited_for(client, context, cookie, clock, tasks):
    """A session whose activity must be noted is not let through unnoted."""
    clock.advance(120)
    sent = answers(context, question(cookie))
    assert statuses(sent) == [200]


def test_no_header_brings_a_second_answer(context, cookie, monkeypatch, tasks):
    """Whatever a rule for names has let through (CWE-113)."""
    line = b"someone\r\n\r\nHTTP/1.1 200 OK"
    monkeypatch.setattr("holdfast.service.forward_auth._encoded", lambda *_: line)
    sent = answers(context, question(cookie))
    assert statuses(sent) == [400]
    assert b"someone" not in sent


class TestWithMetrics:
    @pytest.fixture
    def variables(self):
        return {"TRUSTED_PROXIES": "127.0.0.1", "METRICS_KEY": KEY}

    def test_all_questions_are_counted(self, client, context, cookie, tasks):
        answers(context, question(cookie))
        answers(context, question(cookie, OTHERWISE))
        assert len(tasks) == 1
        text = client.get("/metrics", headers=bearer(KEY)).text
        counted = 'holdfast_requests_total{method="GET",path="/forward-auth",status="200"} 2.0'
        assert counted in text.splitlines()
