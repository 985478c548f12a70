"""Several worker processes: one dies, the one that started them dies, keys change under them."""

import os
import signal
import socket
from pathlib import Path

import httpx
import jwt
import pytest

from service.clients import bearer
from service.running import Server, command, until
from service.workers import of_every_worker


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def server(home):
    server = Server(home, "--demo", "--workers", "2")
    until(lambda: len(server.workers) == 2, "both workers are there")
    yield server
    server.stop()


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "Z"


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def kid_of(tokens):
    return jwt.get_unverified_header(tokens["access_token"])["kid"]


def test_a_killed_worker_is_replaced(server):
    """The other goes on meanwhile, and the new one knows every session."""
    tokens = server.login()
    first, second = server.workers
    os.kill(first, signal.SIGKILL)
    until(lambda: set(server.workers) - {first, second} and len(server.workers) == 2, "a new one")
    until(lambda: _all_answer(server, tokens), "both know the session")


def _all_answer(server, tokens):
    mine = bearer(tokens["access_token"])
    answers = of_every_worker(server, "GET", "/api/me", headers=mine)
    return {answer.status_code for answer in answers} == {200}


def test_workers_end_with_the_process_that_started_them(home, server):
    """Also when it was killed: the port is free for the next start, and nobody was signed out."""
    tokens, workers = server.login(), server.workers
    server.process.kill()
    server.process.wait()
    until(lambda: all(gone(pid) for pid in workers), "no orphan is left")
    until(lambda: free(server.port), "the port is free")
    again = Server(home, "--demo", port=server.port)
    assert again.me(tokens) == 200
    assert again.stop() == 0


def test_all_end_at_sigterm(server):
    """In good order: status 0, and no process is left."""
    workers = server.workers
    assert server.stop() == 0
    assert all(gone(pid) for pid in workers)


def test_new_keys_take_effect_at_sighup(home, server):
    """As `holdfast keys rotate` says: no restart, no sign-out, and both workers sign with the new key."""
    before = server.login()
    kid = command(home, "keys", "rotate", "--json").stdout.split('"')[3]
    assert kid != kid_of(before)
    old = set(server.workers)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: len(server.workers) == 2 and not old & set(server.workers), "new workers")
    until(lambda: _signs_with(server, kid), "the new key signs")
    assert _all_answer(server, before)
    email, password = server.credentials
    body = {"email": email, "password": password}
    answers = of_every_worker(server, "POST", "/login", json=body)
    assert {kid_of(answer.json()) for answer in answers} == {kid}


def _signs_with(server, kid):
    try:
        return kid_of(server.login()) == kid
    except httpx.HTTPError:
        return False


def test_two_services_over_one_folder(home, server):
    """A log-out in one is felt by the next request in the other."""
    other = Server(home, "--demo")
    tokens = server.login()
    assert (server.me(tokens), other.me(tokens)) == (200, 200)
    mine = bearer(tokens["access_token"])
    assert httpx.post(f"{other.url}/api/auth/logout", headers=mine).status_code == 200
    answers = of_every_worker(server, "GET", "/api/me", headers=mine)
    assert {answer.status_code for answer in answers} == {401}
    assert other.stop() == 0


def _restarted(server, home):
    assert server.stop() == 0
    return Server(home, "--demo", port=server.port)


def test_who_has_not_reloaded_refuses_what_a_new_key_signs(home):
    """So a key that signs at once must reach all processes at once: access and refresh token are 401."""
    one, other = Server(home, "--demo"), Server(home, "--demo")
    command(home, "keys", "rotate")
    one = _restarted(one, home)
    tokens = one.login()
    assert (one.me(tokens), other.me(tokens)) == (200, 401)
    refreshed = httpx.post(f"{other.url}/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401
    other = _restarted(other, home)
    assert other.me(tokens) == 200
    assert (one.stop(), other.stop()) == (0, 0)


@pytest.mark.parametrize("kind", [(), ("--algorithm", "ES256")])
def test_an_announced_key_is_known_before_it_signs(home, kind):
    """The order of the how-to: nobody refuses anything, whoever restarts first."""
    one, other = Server(home, "--demo"), Server(home, "--demo")
    kid = command(home, "keys", "announce", *kind, "--json").stdout.split('"')[3]
    one = _restarted(one, home)
    published = httpx.get(f"{one.url}/.well-known/jwks.json").json()["keys"]
    assert [key["kid"] for key in published] == ([kid] if kind else [])
    assert other.me(one.login()) == 200
    other = _restarted(other, home)
    command(home, "keys", "activate", kid)
    one = _restarted(one, home)
    tokens = one.login()
    assert kid_of(tokens) == kid
    assert (one.me(tokens), other.me(tokens)) == (200, 200)
    before = other.login()
    assert kid_of(before) != kid
    assert one.me(before) == 200
    if kind:
        assert command(home, "keys", "settle").returncode == 0
        other = _restarted(other, home)
        assert (other.me(before), other.me(tokens)) == (401, 200)
    assert (one.stop(), other.stop()) == (0, 0)
