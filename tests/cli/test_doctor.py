"""`holdfast doctor`: what is wrong, or would be soon."""

import json

import pytest

from holdfast.cli import doctor as module


def findings(done):
    """State and text of each check."""
    return {each["check"]: (each["state"], each["text"]) for each in json.loads(done.out)}


def states(done):
    return {name: state for name, (state, _) in findings(done).items()}


def test_before_the_first_start(holdfast):
    """Nothing has failed, and the next step is named."""
    done = holdfast("doctor", "--json")
    assert done.status == 0
    found = findings(done)
    assert found["home"][0] == "warning"
    assert "failed" not in states(done).values()


def test_a_service_in_good_order(holdfast, ada):
    """All is well."""
    done = holdfast("doctor", "--json")
    assert (done.status, set(states(done).values())) == (0, {"ok"})
    table = holdfast("doctor")
    assert table.status == 0
    for name in ("clock", "settings", "home", "cookie", "keys", "store"):
        assert name in table.out


def test_without_a_user_it_says_how_to_add_one(holdfast):
    """Nobody could sign in."""
    holdfast("user", "list")
    assert "holdfast user add" in findings(holdfast("doctor", "--json"))["store"][1]


def open_to_others(home):
    home.chmod(0o755)


def keys_open(home):
    (home / "keys.json").chmod(0o644)


def damaged(home):
    (home / "holdfast.db").write_bytes(b"no database at all" * 500)
    for path in home.glob("holdfast.db-*"):
        path.unlink()


@pytest.mark.parametrize(
    ("harm", "check", "told"),
    [
        (open_to_others, "home", "chmod 700"),
        (keys_open, "keys", "chmod 600"),
        (damaged, "store", "not of SQLite"),
    ],
)
def test_what_is_wrong_is_found(holdfast, home, ada, harm, check, told):
    """Status 1, the check that failed, and what would cure it; the others are still made."""
    harm(home)
    done = holdfast("doctor", "--json")
    assert done.status == 1
    state, text = findings(done)[check]
    assert (state, told in text) == ("failed", True), text
    assert states(done)["clock"] == "ok"


@pytest.mark.parametrize(
    ("variables", "check", "told"),
    [
        ({"IDLE": "1s"}, "settings", "HOLDFAST_"),
        ({"IDEL": "1h"}, "settings", "HOLDFAST_IDLE"),
        ({"PROFILE": "nonsense"}, "settings", "production"),
        ({"SECRET": "changeme"}, "keys", "secret"),
        ({"STORE": "nosuch://x"}, "store", "store"),
    ],
)
def test_settings_that_cannot_be_used(holdfast, ada, variables, check, told):
    """By the name of the variable."""
    done = holdfast("doctor", "--json", **variables)
    assert done.status == 1
    state, text = findings(done)[check]
    assert (state, told in text) == ("failed", True), text


def test_a_cookie_that_is_not_secure_in_production(holdfast):
    """Failed, with the variable that cures it."""
    done = holdfast(
        "doctor", "--json", PROFILE="production", COOKIE_SECURE="no", COOKIE_NAME="session"
    )
    assert (done.status, states(done)["cookie"]) == (1, "failed")


def test_a_clock_of_the_past(monkeypatch):
    """Tokens would be expired before they are made."""
    assert module._clock(0).state == "failed"
