"""`holdfast keys settle`, the last step of a change of keys: whoever forgot it is told."""

from dataclasses import replace

import pytest

from holdfast import keyfile
from holdfast.service.home import KEY_FILE
from holdfast.service.moments import iso

PAST = 1_764_547_200_000


@pytest.fixture
def half_way(holdfast, home):
    """The name of a key that has taken over from the master secret just now."""
    holdfast("user", "list")
    kid = holdfast("keys", "announce", "--algorithm", "EdDSA", "--json").json["kid"]
    holdfast("keys", "activate", kid)
    return kid


@pytest.fixture
def since(half_way, home):
    """Makes it long ago, or unknown."""

    def began(moment):
        keyfile.change(home / KEY_FILE, lambda ring: replace(ring, mixed_since=moment))

    return began


def keys_finding(holdfast):
    return next(each for each in holdfast("doctor", "--json").json if each["check"] == "keys")


def test_right_after_it_says_what_to_wait_for(holdfast, home, half_way):
    """A token of before counts for its hour and the leeway; when the last was made nobody knows here."""
    began = keyfile.load(home / KEY_FILE).mixed_since
    master, signing = holdfast("keys", "list", "--json").json
    told = {
        "since": iso(began),
        "seconds_after_last_restart": 3630,
        "command": "holdfast keys settle",
    }
    assert (master["unsettled"], signing["unsettled"]) == (None, told)
    (line,) = [line for line in holdfast("keys", "list").out.splitlines() if "ettle" in line]
    assert line == (
        f"Not settled: access tokens of the master secret count beside those of {half_way} since"
        f" {iso(began)}; 3630 s after the last process was restarted with that key run: holdfast keys"
        " settle"
    )
    assert keys_finding(holdfast)["state"] == "ok"


@pytest.mark.parametrize("moment", [PAST, None])
def test_long_after_nothing_claims_that_it_is_due(holdfast, since, moment):
    """The last old worker may have ended a moment ago. Also of a file that does not say since when.

    `doctor` warns of what stands open.
    """
    since(moment)
    text = holdfast("keys", "list").out
    assert "now run" not in text
    assert "; 3630 s after the last process was restarted with that key run: " in text
    assert (iso(PAST) in text) == (moment is not None)
    (told,) = [
        key["unsettled"] for key in holdfast("keys", "list", "--json").json if key["unsettled"]
    ]
    assert told["since"] == (iso(PAST) if moment else None)
    found = keys_finding(holdfast)
    assert (found["state"], "holdfast keys settle" in found["text"]) == ("warning", True)


@pytest.mark.parametrize("command", [("settle",), ("asymmetric",)])
def test_what_is_settled_is_not_mentioned(holdfast, since, command):
    """By `settle`, or by a key that refuses the master's access tokens itself."""
    since(PAST)
    assert holdfast("keys", *command).status == 0
    assert "ettle" not in holdfast("keys", "list").out
    assert all(key["unsettled"] is None for key in holdfast("keys", "list", "--json").json)
    assert keys_finding(holdfast)["state"] == "ok"


def test_a_second_key_begins_nothing_anew(holdfast, since):
    """What counts since then counts since then."""
    since(PAST)
    kid = holdfast("keys", "announce", "--algorithm", "ES256", "--json").json["kid"]
    holdfast("keys", "activate", kid)
    text = holdfast("keys", "list").out
    assert f"those of {kid} since {iso(PAST)}" in text
