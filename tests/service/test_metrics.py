"""What Prometheus may read: counts with bounded labels, of all workers, for who holds the key."""

import re

import pytest

from service.clients import Client, bearer, outcome
from service.running import Server, until
from service.workers import of_every_worker

KEY = "a key for metrics: nine gulls, 44 limpets"


@pytest.fixture
def variables():
    return {"METRICS_KEY": KEY}


def counts(text):
    """Value by name with labels."""
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def read(client):
    answer = client.get("/metrics", headers=bearer(KEY))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return counts(answer.text)


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("x"), bearer(""), bearer(KEY[:-1]), {"Authorization": f"Basic {KEY}"}],
)
def test_only_who_holds_the_key_reads_them(client, headers):
    """401, with nothing in it; also for somebody who is signed in."""
    client.sign_in()
    answer = client.get("/metrics", headers=headers)
    assert outcome(answer) == (401, "unauthenticated")
    assert "holdfast_" not in answer.text


class TestWithoutAKey:
    @pytest.fixture
    def variables(self):
        return {}

    def test_there_is_no_such_path(self, client):
        """Off until asked for."""
        assert outcome(client.get("/metrics")) == (404, "not_found")


def test_requests_are_counted_by_path_and_status(client):
    """The route's path, not the one that was sent."""
    client.sign_in()
    for _ in range(3):
        client.get("/api/me")
    client.request("DELETE", "/api/sessions/aa1AAAAAAAAAAAAAAAAAAAAAA", headers=client.csrf())
    found = read(client)
    assert found['holdfast_requests_total{method="GET",path="/api/me",status="200"}'] == 3
    name = 'holdfast_requests_total{method="DELETE",path="/api/sessions/{id}",status="404"}'
    assert found[name] == 1
    assert found['holdfast_request_seconds_count{path="/api/me"}'] == 3


def test_events_are_counted(client):
    """By name and severity."""
    client.sign_in()
    client.post("/login", json={"email": "nobody@example.org", "password": "wrong"})
    found = read(client)
    assert found['holdfast_events_total{event="authn_login_success",severity="INFO"}'] == 1
    assert found['holdfast_events_total{event="authn_login_fail",severity="WARN"}'] == 1
    assert found["holdfast_audit_lost_total"] == 0


def test_a_client_makes_no_label(client):
    """Paths, methods and hosts of any text fall into one (promise 7)."""
    for number in range(50):
        client.get(f"/nothing/{number}")
        client.request(f"BREW{number}", "/login")
        client.get("/api/me", headers={"Host": f"x{number}.example"})
        client.get(f"/api/sessions/{number}")
    names = set(read(client))
    assert not any("nothing" in name or "BREW" in name or ".example" in name for name in names)
    requests = [name for name in names if name.startswith("holdfast_requests_total")]
    assert len(requests) < 10


def test_nothing_in_them_is_about_anybody(client):
    """No address, name, id or token."""
    client.sign_in()
    tokens = client.tokens()
    text = client.get("/metrics", headers=bearer(KEY)).text
    id = client.http.cookies["session"].split(".")[1]
    for private in ("ada@", "127.0.0.1", id, tokens["access_token"], KEY):
        assert private not in text


def test_a_sink_that_fails_is_seen_here(context, app):
    """Lost audit events are counted, since nobody else would notice."""

    def broken(event):
        raise OSError("the disk with the log is full")

    auditor = context.sessions.auditor
    auditor._sinks = (broken, *auditor._sinks)
    client = Client(app)
    for _ in range(3):
        client.get("/api/me", headers=bearer("junk"))
    client.get("/healthz")
    assert read(client)["holdfast_audit_lost_total"] == 3


def test_workers_answer_for_each_other(tmp_path):
    """The sum of all, from whichever is asked; a restart counts from nothing."""
    home = tmp_path / "home"
    for _ in range(2):
        server = Server(home, "--demo", "--workers", "2", METRICS_KEY=KEY)
        until(lambda server=server: len(server.workers) == 2, "both workers are there")
        asked = len(of_every_worker(server, "GET", "/api/me"))
        answers = of_every_worker(server, "GET", "/metrics", headers=bearer(KEY))
        name = 'holdfast_requests_total{method="GET",path="/api/me",status="401"}'
        assert {counts(answer.text)[name] for answer in answers} == {asked}
        assert (home / "metrics").stat().st_mode & 0o077 == 0
        assert server.stop() == 0


def test_without_the_extra_it_says_what_to_install(tmp_path):
    """Before anything listens."""
    hide = tmp_path / "prometheus_client.py"
    hide.write_text("raise ImportError('hidden by the test')\n")
    with pytest.raises(AssertionError) as failed:
        Server(tmp_path / "home", "--demo", METRICS_KEY=KEY, paths=[tmp_path])
    assert re.search(r"holdfast: HOLDFAST_METRICS_KEY|holdfast: metrics_key", str(failed.value))
    assert "holdfast[metrics]" in str(failed.value)


def test_a_short_key_is_refused(tmp_path):
    """As for introspection."""
    with pytest.raises(AssertionError, match="HOLDFAST_METRICS_KEY: must be at least 32"):
        Server(tmp_path / "home", "--demo", METRICS_KEY="short")


def test_the_text_is_what_prometheus_reads(client):
    """Its own parser takes it."""
    from prometheus_client.parser import text_string_to_metric_families

    client.get("/api/me")
    text = client.get("/metrics", headers=bearer(KEY)).text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"holdfast_requests", "holdfast_request_seconds"} <= names
