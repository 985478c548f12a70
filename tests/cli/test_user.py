"""`holdfast user`: accounts. Whatever shuts somebody out also ends their sessions (R32)."""

import asyncio
import json
import stat

import pytest

from holdfast.chain import Refusal
from holdfast.protocols import ClientFacts
from holdfast.service.users import Users

PASSWORD = "another long password, really"


def test_a_user_is_added(holdfast, home):
    """The password comes from standard input, and stands nowhere."""
    done = holdfast("user", "add", " Ada@Example.org ", "--role", "author", input=PASSWORD + "\n")
    assert done.status == 0
    assert done.out.startswith("Added ada@example.org, subject ")
    (user,) = holdfast("user", "list", "--json").json
    assert (user["email"], user["role"], user["disabled"]) == ("ada@example.org", "author", False)
    left = done.out + done.err + "".join(path.read_text("latin-1") for path in home.iterdir())
    assert PASSWORD not in left


def test_what_it_makes_is_private(holdfast, home, ada):
    """R169: the folder 0700, everything in it 0600."""
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert {"keys.json", "holdfast.db", "audit.jsonl"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_there_is_nobody_at_first(holdfast):
    """No default account; the sentence says how to make one."""
    assert "holdfast user add" in holdfast("user", "list").out
    assert holdfast("user", "list", "--json").json == []


@pytest.mark.parametrize(
    ("email", "password", "told"),
    [
        ("ada", PASSWORD, "no e-mail address"),
        ("ada@example.org", "short", "15 characters or more"),
        ("ada@example.org", "", "15 characters or more"),
        ("a-rather-long-name@example.org", "A-rather-long-name@example.org", "four random words"),
    ],
)
def test_a_mistake_is_one_line(holdfast, email, password, told):
    """On standard error, with what would do; nobody is added."""
    done = holdfast("user", "add", email, input=password + "\n")
    assert (done.status, done.out) == (1, "")
    (line,) = done.err.strip().splitlines()
    assert line.startswith("holdfast: ")
    assert told in line
    assert holdfast("user", "list", "--json").json == []


def test_an_address_is_taken_once(holdfast, ada):
    """In any spelling."""
    done = holdfast("user", "add", "ADA@example.org", input=PASSWORD + "\n")
    assert done.status == 1
    assert "already" in done.err


@pytest.mark.parametrize("name", ["email", "subject"])
@pytest.mark.parametrize(
    "command", [["passwd"], ["disable"], ["remove", "--yes"]], ids=lambda words: words[0]
)
def test_whatever_shuts_somebody_out_ends_their_sessions(
    holdfast, ada, sign_in, alive, command, name
):
    """R32: named by address or subject; other people's go on."""
    mine, others = sign_in(ada["subject"], 3), sign_in("somebody else")
    done = holdfast("user", *command, ada[name], "--json", input=PASSWORD + "\n")
    assert done.json["ended"] == 3
    assert (alive(mine), alive(others)) == (0, 1)


def checked(data, password):
    with data() as context:
        return context.authenticator.check("ada@example.org", password) is not None


def test_a_disabled_account_is_opened_again(holdfast, ada, data):
    """With its old password; its old sessions stay ended."""
    right = "correct horse battery staple"
    assert checked(data, right)
    holdfast("user", "disable", "ada@example.org")
    assert not checked(data, right)
    assert holdfast("user", "enable", "ada@example.org").out == "Enabled ada@example.org\n"
    assert checked(data, right)


def test_a_new_password_counts_at_once(holdfast, ada, data):
    """And the old one no more."""
    holdfast("user", "passwd", "ada@example.org", input=PASSWORD + "\n")
    assert checked(data, PASSWORD)
    assert not checked(data, "correct horse battery staple")


def test_a_new_password_opens_a_locked_account(holdfast, ada, data):
    """After a hundred failures in a row (R149)."""

    async def failing(context, times):
        for _ in range(times):
            entry = await context.throttle.enter("ada@example.org", None, ClientFacts("192.0.2.1"))
            await context.throttle.failed(entry)

    with data(LOCK_AFTER=2) as context:
        asyncio.run(failing(context, 2))
        with pytest.raises(Refusal, match="403"):
            asyncio.run(failing(context, 1))
    holdfast("user", "passwd", "ada@example.org", input=PASSWORD + "\n")
    with data(LOCK_AFTER=2) as context:
        asyncio.run(failing(context, 1))


@pytest.mark.parametrize("command", ["passwd", "disable", "enable", "remove"])
def test_nobody_by_that_name(holdfast, command):
    """One line that says where to look."""
    yes = ["--yes"] if command == "remove" else []
    done = holdfast("user", command, "nobody@example.org", *yes, input=PASSWORD + "\n")
    assert done.status == 1
    assert "holdfast user list" in done.err


def test_nobody_is_removed_without_a_yes(holdfast, ada):
    """A program cannot be asked."""
    done = holdfast("user", "remove", "ada@example.org")
    assert done.status == 1
    assert "--yes" in done.err
    assert len(holdfast("user", "list", "--json").json) == 1


def test_many_users_are_all_listed(holdfast, data):
    """Over more than one page, each once, by address."""
    with data() as context:
        users = Users(context.database, clock=context.clock, entropy=_numbered())
        for number in range(120):
            users.add(f"{number:03}@example.org", "no hash")
    listed = [user["email"] for user in holdfast("user", "list", "--json").json]
    assert listed == [f"{number:03}@example.org" for number in range(120)]
    assert len(holdfast("user", "list").out.splitlines()) == 121


def _numbered():
    numbers = iter(range(1000))
    return lambda size: next(numbers).to_bytes(size, "big")


def test_what_an_operator_did_is_on_record(holdfast, home, ada):
    """R154: each change in the audit file, by subject, without address or password."""
    holdfast("user", "passwd", "ada@example.org", input=PASSWORD + "\n")
    holdfast("user", "disable", "ada@example.org")
    holdfast("user", "enable", "ada@example.org")
    holdfast("user", "remove", "ada@example.org", "--yes")
    text = (home / "audit.jsonl").read_text()
    events = [json.loads(line) for line in text.splitlines()]
    assert [event.get("reason") for event in events] == [
        "user_added",
        "by_operator",
        "user_disabled",
        "user_enabled",
        "user_removed",
    ]
    assert {event["subject"] for event in events} == {ada["subject"]}
    assert PASSWORD not in text
    assert "ada@example.org" not in text
