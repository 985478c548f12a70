"""What the service writes into its audit log: every event, in words that stay, and never a secret."""

import asyncio
import json
from datetime import datetime

import httpx
import pytest

from holdfast import sinks
from holdfast.events import EventName
from service.clients import EMAIL, PASSWORD, Client, bearer
from service.running import Server

MINUTE = 60_000
WRONG = "guessed by somebody else"
DAY = 24 * 60 * MINUTE
AGENT = 'Evil\r\nSet-Cookie: x=1 \x1b[31m \u2028 {"event":"authn_login_success"}'


@pytest.fixture
def variables():
    return {"MAX_SESSIONS": 30, "LOCK_AFTER": 4, "SIGN_IN_FAILURES": "3/15m", "RATE": "5/15m"}


@pytest.fixture
def house(client, app, clock, administration, ada, context):
    """Everything that can be done to the service, by name."""
    return House(client, app, clock, administration, ada, context)


class House:
    def __init__(self, client, app, clock, administration, ada, context):
        self.client, self.app, self.clock = client, app, clock
        self.administration, self.ada, self.context = administration, ada, context

    def sign_in(self):
        self.client.sign_in()

    def wrong_password(self):
        self.client.post("/login", json={"email": EMAIL, "password": WRONG})

    def too_many_failures(self):
        for _ in range(4):
            self.wrong_password()

    def lock(self):
        for number in range(5):
            far = Client(self.app, address=f"198.51.100.{number}", base="https://x.example.org")
            far.post("/login", json={"email": EMAIL, "password": WRONG})

    def sign_out(self):
        self.client.sign_in()
        self.client.post("/api/logout", headers=self.client.csrf())

    def the_password_once_more(self):
        self.client.sign_in()
        body = {"password": PASSWORD}
        self.client.post("/api/reauthenticate", json=body, headers=self.client.csrf())

    def end_others(self):
        self.client.sign_in()
        self.client.post("/api/sessions/end-others", headers=self.client.csrf())

    def use_after_the_end(self):
        self.client.sign_in()
        self.administration._assembly.blocking.revoke_all(self.ada.subject)
        self.client.get("/api/me")

    def expire(self):
        self.client.sign_in()
        self.clock.advance(2 * DAY)
        self.client.get("/api/me")

    def tokens(self):
        self.client.tokens()

    def refresh_and_repeat(self):
        first = self.client.tokens()["refresh_token"]
        self.client.refresh(first)
        self.client.refresh(first)

    def reuse(self):
        first = self.client.tokens()["refresh_token"]
        self.client.refresh(first)
        self.clock.advance(MINUTE)
        self.client.refresh(first)

    def revoke_a_token(self):
        token = self.client.tokens()["access_token"]
        asyncio.run(self.context.sessions.revoke_token(token))

    def forge(self):
        self.client.get("/api/me", headers=bearer("a.b.c"))

    def without_csrf(self):
        self.client.sign_in()
        self.client.post("/api/logout")

    def stale(self):
        self.client.sign_in()
        self.clock.advance(11 * MINUTE)
        self.client.post("/api/sessions/end-others", headers=self.client.csrf())

    def hurry(self):
        self.client.sign_in()
        headers = self.client.csrf()
        for _ in range(6):
            self.client.post("/api/reauthenticate", json={}, headers=headers)

    def crowd(self):
        for _ in range(31):
            Client(self.app).tokens()

    def change_a_password(self):
        self.administration.set_password(self.ada, "another long password")

    def disable(self):
        self.administration.disable(self.ada)

    def end_everyone(self):
        self.administration._assembly.blocking.revoke_everyone()


CASES = {
    "sign_in": {("session_created", None), ("authn_login_success", None)},
    "wrong_password": {("authn_login_fail", "credentials")},
    "too_many_failures": {("authn_login_fail_max", "window"), ("authn_login_fail", "blocked")},
    "lock": {("authn_login_lock", "consecutive"), ("authn_login_fail", "locked")},
    "sign_out": {("session_logout", None)},
    "the_password_once_more": {("session_renewed", None)},
    "use_after_the_end": {
        ("session_logout", "everywhere"),
        ("session_use_after_expire", "unknown"),
    },
    "expire": {("session_expired", "idle")},
    "tokens": {("authn_token_created", "issued")},
    "refresh_and_repeat": {
        ("authn_token_created", "rotated"),
        ("authn_token_created", "repeated"),
    },
    "reuse": {("authn_token_reuse", "reused")},
    "revoke_a_token": {("authn_token_revoked", "access_token")},
    "forge": {("authz_fail", "malformed")},
    "without_csrf": {("authz_fail", "csrf_token")},
    "stale": {("authz_fail", "not_fresh")},
    "hurry": {("excess_rate_limit_exceeded", None)},
    "crowd": {("excess_sessions_exceeded", "evicted")},
    "change_a_password": {("authn_password_change", "by_operator")},
    "disable": {("authz_admin", "user_disabled")},
    "end_everyone": {("authz_admin", "everyone")},
}
NOT_BY_THE_SERVICE = {
    "authn_impossible_travel",  # reserved
    "authz_change",  # an application that changes rights with `rotate(claims=…)`
    "authn_token_delete",
}


@pytest.mark.parametrize("act", CASES)
def test_what_happens_is_on_record(house, events, act):
    """R154, R155: under its stable name, with the reason that its page explains."""
    getattr(house, act)()
    assert CASES[act] <= {(event.name.value, event.reason) for event in events}


def test_every_event_has_its_case():
    """R162: what the service can raise is raised above; nothing is forgotten when one is added."""
    shown = {name for expected in CASES.values() for name, _ in expected}
    assert shown | NOT_BY_THE_SERVICE == {name.value for name in EventName}


@pytest.fixture
def everything(house, events):
    """All events of all cases, as the lines that they become, and all secrets that were in play."""
    named = {"User-Agent": AGENT, "X-Request-Id": "r-1"}
    house.client.http.headers = httpx.Headers(named, encoding="utf-8")
    secrets = [PASSWORD, EMAIL, WRONG]
    post = house.client.post

    def remembering(path, **options):
        answer = post(path, **options)
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            tokens = answer.json()
            secrets.extend(value for key, value in tokens.items() if key.endswith("_token"))
        secrets.extend(answer.cookies.values())
        secrets.extend(options.get("headers", {}).values())
        return answer

    house.client.post = remembering
    for act in CASES:
        if act not in {"change_a_password", "disable", "lock", "too_many_failures", "crowd"}:
            getattr(house, act)()
    house.too_many_failures()
    house.lock()
    return [sinks.line(event) for event in events], secrets


def test_nothing_in_the_log_is_a_secret(everything):
    """R158: no password, token, cookie, CSRF token, session id or address of mail."""
    lines, secrets = everything
    text = "\n".join(lines)
    assert len(lines) > 50
    for secret in secrets:
        assert secret not in text
        for part in secret.split("."):
            assert len(part) < 16 or part not in text


def test_a_client_writes_no_line(everything):
    """R159: one line for each event, of printable ASCII, whatever the client calls itself."""
    lines, _ = everything
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        event = json.loads(line)
        assert event["event"] in set(EventName)
        assert datetime.fromisoformat(event["at"]).utcoffset() is not None
    agents = {json.loads(line).get("user_agent") for line in lines} - {None}
    assert agents
    assert all(agent.isprintable() for agent in agents)


def test_an_event_says_who_and_from_where(client, ada, events):
    """R156: subject, address, user agent, request, and the session as a keyed hash."""
    client.http.headers["X-Request-Id"] = "r-77"
    client.sign_in()
    event = next(event for event in events if event.name == "authn_login_success")
    id = client.http.cookies["session"].split(".")[1]
    assert (event.subject, event.address, event.request_id) == (ada.subject, "127.0.0.1", "r-77")
    assert "Firefox" in event.user_agent
    assert event.session
    assert event.session not in id
    assert id not in event.session


def test_one_session_has_one_name(client, events):
    """Lines of one session can be put together."""
    client.sign_in()
    client.post("/api/logout", headers=client.csrf())
    named = [event.session for event in events if event.session]
    assert len(named) >= 3
    assert len(set(named)) == 1


@pytest.mark.parametrize("error", [OSError, ValueError, KeyError, MemoryError])
def test_a_failing_sink_breaks_nothing_and_opens_nothing(context, client, app, error):
    """R164: the same answers, and what was lost is counted."""

    def broken(event):
        raise error("the disk with the log is full")

    auditor = context.sessions.auditor
    auditor._sinks = (broken,)
    assert client.sign_in().status_code == 200
    assert client.get("/api/me").status_code == 200
    assert client.post("/api/logout").status_code == 403
    assert client.get("/api/me", headers=bearer("a.b.c")).status_code == 401
    assert client.post("/login", json={"email": EMAIL, "password": "x"}).status_code == 401
    assert client.post("/api/logout", headers=client.csrf()).status_code == 200
    assert auditor.failures >= 5


def test_another_sink_gets_its_events(context, client, events):
    """One that fails keeps none from the next."""

    def broken(event):
        raise OSError

    auditor = context.sessions.auditor
    auditor._sinks = (broken, *auditor._sinks)
    client.get("/api/me", headers=bearer("a.b.c"))
    assert events[-1].reason == "malformed"


def test_the_service_writes_lines_of_json(tmp_path):
    """On standard output, each event as it happens (R161)."""
    server = Server(tmp_path / "home", "--demo")
    server.login()
    server.stop()
    events = [json.loads(line) for line in server.lines if line.startswith("{")]
    assert {event["event"] for event in events} >= {"authn_login_success", "authn_token_created"}
