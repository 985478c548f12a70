"""A forgotten `holdfast keys settle` shows where operators look: at the start, and in the metrics."""

import json
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from holdfast import KeyRing, Settings, keyfile
from holdfast.assembly import assemble, now_ms
from holdfast.rules.keys import Key
from holdfast.service.home import KEY_FILE
from holdfast.service.moments import iso
from holdfast.service.unsettled import unsettled
from service.clients import bearer
from service.running import Server, command
from service.test_metrics import KEY, counts

PAST = 1_764_547_200_000
FIGURE = "holdfast_keys_settle_due_timestamp_seconds"
PEMS = json.loads((Path(__file__).parents[1] / "vectors" / "signing_keys.json").read_text())


@pytest.fixture
def keys_of_both():
    """A ring whose signing key has taken over since `PAST`; tokens of the master count still."""
    signing = Key.from_pem(PEMS["EdDSA"]["private"])
    ring = KeyRing.generate(os.urandom, environment="production").announced(signing)
    return ring.activated(signing.kid, now=PAST)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_said_once_and_counted_until_it_is_done(tmp_path, workers):
    """One line whatever the number of workers; neither line nor figure once it is settled."""
    home = tmp_path / "home"
    command(home, "user", "list", PROFILE="development")
    command(home, "keys", "announce", "--algorithm", "EdDSA")
    kid = keyfile.load(home / KEY_FILE).signing[0].kid
    for steps, settled in ((("activate", kid), False), (("settle",), True)):
        assert command(home, "keys", *steps).returncode == 0
        if not settled:
            keyfile.change(home / KEY_FILE, lambda ring: replace(ring, mixed_since=PAST))
        began = now_ms()
        server = Server(
            home, "--profile", "development", "--workers", str(workers), METRICS_KEY=KEY
        )
        figures = counts(httpx.get(f"{server.url}/metrics", headers=bearer(KEY)).text)
        assert server.stop() == 0
        ended = now_ms()
        told = [line for line in server.lines if "keys settle" in line]
        assert len(told) == (0 if settled else 1)
        assert all(line.startswith("WARNING holdfast: keys: access tokens of") for line in told)
        assert not any("now run" in line for line in told)
        if settled:
            assert FIGURE not in figures
        else:
            assert began / 1000 + 3630 <= figures[FIGURE] <= ended / 1000 + 3630
            assert iso(PAST) in told[0]
            (due,) = re.findall(r"; after (\S+) run: ", told[0])
            assert iso(began + 3_630_000) <= due <= iso(ended + 3_630_000)


def test_it_is_counted_from_the_restart(keys_of_both):
    """An old worker signs with the master until it ends, whenever the key was activated."""
    ring, settings = keys_of_both, Settings()
    assert unsettled(ring, settings).due is None
    two_hours_later = PAST + 7_200_000
    assert unsettled(ring, settings, started=two_hours_later).due == two_hours_later + 3_630_000
    assert unsettled(ring, settings, started=PAST - 1).due == PAST + 3_630_000
    unknown = replace(ring, mixed_since=None)
    assert unsettled(unknown, settings).due is None
    assert unsettled(unknown, settings, started=PAST).due == PAST + 3_630_000
    half = Settings(leeway=timedelta(milliseconds=1))
    assert unsettled(ring, half, started=PAST).due == PAST + 3_601_000


def test_then_no_token_of_before_is_refused(keys_of_both, clock):
    """The case that was announced too early: activated, and restarted two hours later."""
    before = replace(
        keys_of_both,
        signing=tuple(replace(key, status="verify") for key in keys_of_both.signing),
        mixed=False,
        mixed_since=None,
    )
    old = assemble(Settings(), keys=before, store="memory://", clock=clock)
    session = old.blocking.begin(None)
    old.blocking.sign_in(session, "ada")
    clock.advance(7_200_000)
    token = old.blocking.issue_tokens(session).access_token
    due = unsettled(keys_of_both, Settings(), started=clock()).due
    settled = assemble(Settings(), keys=keys_of_both.settled(), store="memory://", clock=clock)
    assert str(settled.blocking.verify_token(token).reason) == "unknown_key"
    clock.advance(due - clock() - 1001)
    assert old.blocking.verify_token(token).claims["sub"] == "ada"
    clock.advance(1001)
    assert str(old.blocking.verify_token(token).reason) == "token_expired"
