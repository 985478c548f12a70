"""`holdfast keys`: make, list, rotate and retire the keys of the key file."""

import json
import re
import stat

import pytest

from holdfast import keyfile
from holdfast.rules import strength
from holdfast.service.home import KEY_FILE

GOOD = "a master secret for tests: 4 kelps, 7 otters"


@pytest.fixture
def started(holdfast):
    """A folder whose first start is past."""
    holdfast("user", "list")


def test_a_new_secret_is_good(holdfast, home):
    """Two are never alike; nothing is stored."""
    first, second = (holdfast("keys", "new").out.strip() for _ in range(2))
    assert first != second
    assert strength.weakness(first.encode()) is None
    assert not home.exists()


def test_a_list_shows_names_and_never_keys(holdfast, home, started):
    """Neither as a table nor as JSON."""
    (key,) = holdfast("keys", "list", "--json").json
    assert (key["status"], key["use"], key["algorithm"]) == ("active", "master", "HS256")
    text = holdfast("keys", "list").out + holdfast("keys", "list", "--json").out
    (secret,) = keyfile.load(home / KEY_FILE).masters
    (stored,) = re.findall(r'"material": *"([^"]+)"', (home / KEY_FILE).read_text())
    for form in (stored, secret.material.hex(), secret.material.decode("latin-1")):
        assert form not in text
        assert json.dumps(form, ensure_ascii=False)[1:-1] not in text


def test_rotation_overlaps_and_retirement_ends_it(holdfast, home, started, sign_in, data):
    """What older keys signed stays valid until they are retired; the file stays private."""

    def counts(token):
        with data() as context:
            return context.assembly.blocking.verify_token(token).claims is not None

    with data() as context:
        sessions = context.assembly.blocking
        session = sessions.begin(None)
        sessions.sign_in(session, "ada")
        token = sessions.issue_tokens(session).access_token
    (old,) = holdfast("keys", "list", "--json").json
    new = holdfast("keys", "rotate", "--json").json["kid"]
    assert new != old["kid"]
    assert counts(token)
    assert keyfile.load(home / KEY_FILE).signer("access").kid == new
    assert holdfast("keys", "retire", old["kid"]).status == 0
    assert not counts(token)
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []


def test_a_key_is_announced_and_then_signs(holdfast, home, started):
    """A process that has read the file in between knows both, before and after."""
    (old,) = holdfast("keys", "list", "--json").json
    done = holdfast("keys", "announce")
    *_, kid = done.out.split()
    states = {key["kid"]: key["status"] for key in holdfast("keys", "list", "--json").json}
    assert states == {old["kid"]: "active", kid: "verify"}
    between = keyfile.load(home / KEY_FILE)
    assert holdfast("keys", "activate", kid, "--json").json["kid"] == kid
    after = keyfile.load(home / KEY_FILE)
    assert between.find("access", after.signer("access").kid)
    assert after.find("access", between.signer("access").kid)
    again = holdfast("keys", "activate", kid)
    assert (again.status, "announce one first" in again.err) == (1, True)


def test_the_active_key_is_not_retired(holdfast, started):
    """Nor one that nobody knows; each is one line."""
    (active,) = holdfast("keys", "list", "--json").json
    for kid in (active["kid"], "nothing"):
        done = holdfast("keys", "retire", kid)
        assert done.status == 1
        assert "rotate first" in done.err
        assert holdfast("keys", "list", "--json").json == [active]


@pytest.mark.parametrize("name", ["-Wq3x", "-hq3x", "--q3x"])
@pytest.mark.parametrize("command", ["activate", "retire"])
def test_a_name_may_begin_with_a_dash(holdfast, started, command, name):
    """Names are base64url: one in 64 does, and is no option."""
    done = holdfast("keys", command, name)
    assert (done.status, "first" in done.err) == (1, True)


def test_without_a_key_file(holdfast):
    """Before the first start, and with keys of the environment, each with what to do."""
    before = holdfast("keys", "rotate")
    assert (before.status, "holdfast serve" in before.err) == (1, True)
    secret = holdfast("keys", "rotate", SECRET=GOOD)
    assert (secret.status, "HOLDFAST_SECRET_PREVIOUS" in secret.err) == (1, True)


@pytest.mark.parametrize("secret", ["changeme", "dev-secret", "a" * 40, "short"])
def test_a_weak_secret_is_refused(holdfast, secret):
    """With how to make a good one, and without the secret itself."""
    done = holdfast("keys", "list", SECRET=secret)
    assert done.status == 1
    assert "token_urlsafe" in done.err or "holdfast keys new" in done.err
    assert secret not in done.err


def test_a_key_file_that_others_may_read_is_refused(holdfast, home, started):
    """With the command that closes it."""
    (home / KEY_FILE).chmod(0o644)
    done = holdfast("keys", "list")
    assert (done.status, "chmod 600" in done.err) == (1, True)


def test_a_damaged_key_file_is_one_line(holdfast, home, started):
    """It shows nothing of what stands in it, and nothing is made in its place."""
    text = (home / KEY_FILE).read_text()
    (home / KEY_FILE).write_text(text[: len(text) // 2])
    done = holdfast("keys", "list")
    assert done.status == 1
    assert len(done.err.strip().splitlines()) == 1
    assert (home / KEY_FILE).read_text() == text[: len(text) // 2]
