"""Wrong passwords: windows by account and address, and known browsers after many in a row."""

import asyncio

import pytest

from holdfast.protocols import ClientFacts
from service.clients import EMAIL, PASSWORD, Client, outcome

MINUTE = 60_000
BODY = {"email": EMAIL, "password": PASSWORD}


def fail(client, times=1, email=EMAIL):
    """So many wrong passwords; the last answer."""
    answers = [client.post("/login", json={"email": email, "password": "no"}) for _ in range(times)]
    return answers[-1]


def fail_from_everywhere(app, times, email=EMAIL):
    """So many wrong passwords, each from another address."""
    for number in range(times):
        fail(Client(app, address=f"2001:db8:{number:x}::1", base="https://a.example"), email=email)


def names(events):
    return [event.name.value for event in events]


@pytest.fixture
def far(app):
    return Client(app, address="192.0.2.1", base="https://sessions.example.org")


def test_an_account_may_fail_twenty_times_from_one_address(client):
    """Then 429 with `Retry-After`, for the right password too."""
    assert outcome(fail(client, 20)) == (401, "invalid_credentials")
    refused = client.post("/login", json=BODY)
    assert outcome(refused) == (429, "too_many_attempts")
    assert 0 < int(refused.headers["Retry-After"]) <= 16 * 60


def test_unknown_accounts_are_treated_alike(client):
    """The same answers in the same order, so that nobody learns who has an account (R166)."""
    fail(client, 20, email="nobody@example.org")
    assert outcome(fail(client, email="nobody@example.org")) == (429, "too_many_attempts")


def test_other_addresses_are_not_affected(client, far):
    """Who guesses locks nobody else out (R148)."""
    fail(client, 21)
    assert far.post("/login", json=BODY).status_code == 200


def test_the_window_moves_on(client, clock):
    """After `Retry-After` there is another try, and the right password ends it."""
    fail(client, 20)
    refused = client.post("/login", json=BODY)
    clock.advance(int(refused.headers["Retry-After"]) * 1000)
    assert client.post("/login", json=BODY).status_code == 200


def test_successes_cost_nothing(client):
    """Who signs in often is not slowed down."""
    assert {client.post("/login", json=BODY).status_code for _ in range(30)} == {200}


def test_an_address_may_fail_a_hundred_times_for_all_accounts(client, far):
    """Then it must wait, whichever account it asks for."""
    for number in range(100):
        fail(client, email=f"user{number}@example.org")
    assert outcome(client.post("/login", json=BODY)) == (429, "too_many_attempts")
    assert far.post("/login", json=BODY).status_code == 200


def test_ipv6_counts_by_network(app):
    """All addresses of one /64 are one client (P53)."""
    for number in range(20):
        fail(Client(app, address=f"2001:db8::{number + 1:x}", base="https://a.example"))
    again = Client(app, address="2001:db8::ffff", base="https://a.example")
    assert outcome(again.post("/login", json=BODY)) == (429, "too_many_attempts")


def test_after_a_hundred_in_a_row_only_known_browsers_may_try(app, client):
    """403 for the right password from elsewhere; the owner's browser still signs in (R149)."""
    owner = Client(app, address="198.51.100.1", base="https://a.example")
    owner.sign_in()
    fail_from_everywhere(app, 100)
    assert outcome(client.post("/login", json=BODY)) == (403, "sign_in_locked")
    assert owner.sign_in().status_code == 200
    assert outcome(client.post("/login", json=BODY)) == (403, "sign_in_locked")


def test_a_success_begins_the_count_anew(app, client):
    """A hundred in a row, not a hundred in all."""
    fail_from_everywhere(app, 99)
    assert client.post("/login", json=BODY).status_code == 200
    fail_from_everywhere(app, 99)
    assert client.post("/login", json=BODY).status_code == 200


def test_a_new_password_lets_the_account_in_again(app, client, administration, ada):
    """`holdfast user passwd` is the way out without a known browser."""
    fail_from_everywhere(app, 100)
    administration.set_password(ada, "another long password")
    again = {"email": EMAIL, "password": "another long password"}
    assert client.post("/login", json=again).status_code == 200


def test_accounts_that_nobody_has_are_locked_too(app, client):
    """The lock tells nothing about who has an account."""
    fail_from_everywhere(app, 100, email="nobody@example.org")
    assert outcome(fail(client, email="nobody@example.org")) == (403, "sign_in_locked")


def test_parallel_tries_are_never_more_than_allowed(context, app):
    """Failures are counted before the password is checked, so no race gets past the hundred (R149)."""
    fail_from_everywhere(app, 95)
    asked = []
    context.authenticator.check = lambda *_: asked.append(1)
    clients = [Client(app, address=f"203.0.113.{n}", base="https://a.example") for n in range(20)]

    async def rush():
        wrong = {"email": EMAIL, "password": "no"}
        return await asyncio.gather(*(each.http.post("/login", json=wrong) for each in clients))

    codes = [outcome(answer) for answer in asyncio.run(rush())]
    assert len(asked) == codes.count((401, "invalid_credentials")) == 5
    assert codes.count((403, "sign_in_locked")) == 15


def test_a_check_that_breaks_down_is_nobodys_failure(context, client):
    """500 for the caller, and the count stays."""

    def broken(email, password):
        raise RuntimeError("directory is away")

    check, context.authenticator.check = context.authenticator.check, broken
    for _ in range(101):
        assert client.post("/login", json=BODY).status_code == 500
    context.authenticator.check = check
    assert client.post("/login", json=BODY).status_code == 200


def test_what_happens_is_audited(app, client, events):
    """Each failure, the end of a quota, the lock; never the name that was tried (R154)."""
    fail(client, 20)
    assert names(events).count("authn_login_fail") == 20
    assert names(events).count("authn_login_fail_max") == 1
    fail_from_everywhere(app, 80)
    assert names(events).count("authn_login_lock") == 1
    assert all(EMAIL not in repr(event) for event in events)


def test_a_unix_socket_has_no_address(context):
    """Without addresses there is only the account to count by, and nothing breaks."""
    throttle = context.throttle

    async def once():
        entry = await throttle.enter(EMAIL, None, ClientFacts())
        await throttle.failed(entry)
        return entry

    assert len(asyncio.run(once()).windows) == 1
