"""The service over PostgreSQL: several machines share sessions and users by one URL."""

import signal
import time

import httpx
import pytest

import postgresql
from holdfast.errors import ConfigurationError
from holdfast.service.administration import Administration
from holdfast.service.app import create_app
from holdfast.service.building import build
from holdfast.service.database import PostgresDatabase, SqliteDatabase
from holdfast.service.users import DuplicateEmail
from postgresql import Schemas
from service.clients import EMAIL, KEYS, PASSWORD, Client, bearer, built, configuration, outcome
from service.running import Server, command

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"


@pytest.fixture
def schemas():
    schemas = Schemas(postgresql.server())
    yield schemas
    schemas.drop_service()
    schemas.release()


@pytest.fixture
def variables(schemas):
    return {"STORE": schemas.url(), "STORE_TIMEOUT": "2s"}


@pytest.fixture
def elsewhere(tmp_path, clock, events, context, variables):
    """The parts of the service on another machine: another folder, the same store and secret."""
    context = built(tmp_path / "elsewhere", clock, events, **variables)
    yield context
    context.close()


@pytest.fixture
def there(elsewhere):
    """A client of the other machine."""
    return Client(create_app(elsewhere))


def test_machines_share_users_and_sessions(client, there, administration):
    """Added here, signed in there, signed out here: refused there at once."""
    tokens = there.tokens()
    assert client.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 200
    logout = client.post("/api/auth/logout", headers=bearer(tokens["access_token"]))
    assert logout.status_code == 200
    assert there.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 401


def test_browsers(client, there):
    """Sign-in with CSRF here, a page there, log-out there, gone here."""
    assert client.sign_in().json() == {"success": True}
    there.http.cookies = client.http.cookies
    assert len(there.get("/api/sessions").json()["sessions"]) == 1
    assert there.post("/api/logout", headers=there.csrf()).status_code == 200
    assert client.get("/api/me").status_code == 401


def test_operations_on_users(administration, elsewhere, clock, there):
    """Each is felt on every machine: password, disabled, removed; an address is taken once."""
    other = Administration(elsewhere.assembly, elsewhere.database, elsewhere.options, clock)
    ada = administration.find(EMAIL) if administration.users.by_email(EMAIL) else None
    ada = ada or administration.add(EMAIL, PASSWORD, "admin")
    with pytest.raises(DuplicateEmail):
        other.add(EMAIL, PASSWORD)
    assert other.find(EMAIL) == other.find(ada.subject) == ada
    tokens = there.tokens()
    assert other.disable(ada) == 1
    assert there.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 401
    body = {"email": EMAIL, "password": PASSWORD}
    assert outcome(there.post("/login", json=body)) == (401, "invalid_credentials")
    administration.enable(ada)
    assert other.set_password(ada, "another long password") == 0
    assert there.tokens(password="another long password")["access_token"]
    assert administration.users.rehash(ada, "outdated") is False
    assert administration.remove(ada) == 1
    assert other.users.by_email(EMAIL) is None
    assert other.remove(ada) == 0


def test_users_in_pages(administration):
    """By address as Python sorts, whatever the language of the database."""
    emails = ["Ä@example.org", "a-b@example.org", "ab@example.org", "z@example.org"]
    for email in emails:
        administration.users.add(email, "no hash")
    first = administration.users.page(limit=3)
    rest = administration.users.page(after=first.after, limit=3)
    assert [user.email for user in first.users + rest.users] == sorted(emails)


def test_failed_sign_ins_count_on_every_machine(client, there, context):
    """The throttle of one account is one, over all machines (R148, P59)."""
    wrong = {"email": EMAIL, "password": "wrong"}
    limit = context.options.sign_in_failures.limit
    answers = [
        (client, there)[number % 2].post("/login", json=wrong).status_code
        for number in range(limit + 2)
    ]
    assert answers == [401] * limit + [429] * 2


def test_parallel_failures_are_counted_exactly(context):
    """Reservations at the same moment are never more than allowed."""
    import asyncio

    from holdfast.service.failures import Failures

    failures = Failures(context.database)

    async def main():
        calls = [failures.reserve(b"key", most=5, now=1) for _ in range(20)]
        return await asyncio.gather(*calls)

    counted = [each for each in asyncio.run(main()) if each is not None]
    assert sorted(counted) == [1, 2, 3, 4, 5]


def test_an_account_that_changes_during_its_sign_in(client, context, administration, monkeypatch):
    """Checked again after the session exists, beside the event loop, and taken back (R32)."""
    from holdfast.service.user_authenticator import UserAuthenticator

    honest = UserAuthenticator.check

    def check_and_disable(self, email, password):
        account = honest(self, email, password)
        administration.users.set_disabled(account.subject, disabled=True)
        return account

    monkeypatch.setattr(UserAuthenticator, "check", check_and_disable)
    answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 401
    (user,) = administration.users.page().users
    assert context.assembly.blocking_store.page(user.subject).records == ()


def test_an_outage(client, schemas):
    """503 with Retry-After in time, no cookie is touched, liveness stays; then all goes on (P20)."""
    assert client.sign_in().status_code == 200
    schemas.server.stop(signal.SIGQUIT)
    try:
        started = time.monotonic()
        answer = client.get("/api/me")
        assert outcome(answer) == (503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert "Set-Cookie" not in answer.headers
        assert time.monotonic() - started < 4
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        body = {"email": EMAIL, "password": PASSWORD}
        assert outcome(client.post("/login", json=body)) == (503, "store_unavailable")
    finally:
        schemas.server.start()
    deadline = time.monotonic() + 10
    while client.get("/readyz").status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get("/api/me").status_code == 200


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"STORE": "memory://"}, SqliteDatabase),
        ({"STORE": "memory://", "USERS": "sqlite:///{}/people.db"}, SqliteDatabase),
        ({"USERS": "sqlite:///{}/people.db"}, SqliteDatabase),
        ({"STORE": "memory://", "USERS": "{url}"}, PostgresDatabase),
    ],
)
def test_where_users_are(tmp_path, schemas, quick, clock, given, kind):
    """`HOLDFAST_USERS` decides; without it, the store if it is a database, else a file here."""
    filled = {
        name: text.replace("{url}", schemas.url()).replace("{}", str(tmp_path))
        for name, text in given.items()
    }
    context = built(tmp_path, clock, [], **filled)
    assert isinstance(context.database, kind)
    Administration(context.assembly, context.database, context.options, clock).add(EMAIL, PASSWORD)
    context.close()
    files = {path.name for path in tmp_path.glob("*.db")}
    expected = {"people.db"} if "people" in filled.get("USERS", "") else {"users.db"}
    assert files & {"people.db", "users.db"} == (set() if kind is PostgresDatabase else expected)


def test_where_users_cannot_be(tmp_path, clock):
    """Redis has no tables; the message says what has, and no password."""
    wrong = configuration(tmp_path, STORE="memory://", USERS="redis://:hunter2@host")
    with pytest.raises(ConfigurationError, match="users: ") as error:
        build(wrong, keys=KEYS, clock=clock)
    assert "hunter2" not in str(error.value)


def test_real_processes(tmp_path, schemas, clock):
    """`holdfast user add` on one machine, `serve` with workers on two others, by URL alone."""
    shared = {"STORE": schemas.url(), "SECRET": SECRET, "PROFILE": "development"}
    added = command(tmp_path / "a", "user", "add", EMAIL, input=PASSWORD + "\n", **shared)
    assert added.returncode == 0, added.stderr
    one = Server(tmp_path / "b", "--workers", "2", **shared)
    other = Server(tmp_path / "c", **shared)
    try:
        body = {"email": EMAIL, "password": PASSWORD}
        tokens = httpx.post(f"{one.url}/login", json=body).json()
        assert other.me(tokens) == 200
        logout = httpx.post(f"{other.url}/api/auth/logout", headers=bearer(tokens["access_token"]))
        assert logout.status_code == 200
        assert {one.me(tokens) for _ in range(4)} | {other.me(tokens)} == {401}
    finally:
        assert one.stop() == other.stop() == 0
