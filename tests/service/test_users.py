"""Users, their passwords, and who checks them."""

import sqlite3

import pytest

from holdfast.errors import ConfigurationError, StoreError
from holdfast.service import authenticator
from holdfast.service.administration import AccountProblem
from holdfast.service.authenticator import Account
from holdfast.service.emails import is_address, normalised
from holdfast.service.passwords import Hasher, prepared
from holdfast.service.user_authenticator import UserAuthenticator
from holdfast.service.users import DuplicateEmail, Users
from service.clients import EMAIL, PASSWORD


class Watched(Hasher):
    """A quick hasher that notes which hashes were checked."""

    def __init__(self):
        super().__init__(memory_kib=8)
        self.checked = []

    def matches(self, hash, password):
        self.checked.append(hash)
        return super().matches(hash, password)


@pytest.fixture
def users(administration):
    return administration.users


@pytest.fixture
def hasher():
    return Watched()


def add_with(users, hasher, email=EMAIL):
    return users.add(email, hasher.hash(PASSWORD))


def test_a_subject_is_random_and_no_address(administration):
    """It stays when the address changes, and tells nothing."""
    one = administration.add("one@example.org", PASSWORD)
    two = administration.add("two@example.org", PASSWORD)
    assert one.subject != two.subject
    assert len(one.subject) == 32
    assert "one" not in one.subject


def test_an_address_is_taken_once(administration, ada):
    """In any spelling."""
    with pytest.raises(DuplicateEmail):
        administration.add(" ADA@example.org", PASSWORD)


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.org", "a b@example.org", "a@b@c", "x" * 300]
)
def test_what_is_no_address_is_no_user(administration, email):
    """With a message that shows one."""
    with pytest.raises(AccountProblem, match=r"ada@example\.org"):
        administration.add(email, PASSWORD)


@pytest.mark.parametrize(
    "password", ["", "fourteen chars", "x" * 1025, "\ud800" * 20, "new@long.example"]
)
def test_weak_passwords_are_refused(administration, password):
    """15 characters (a password alone signs in), at most 1024 bytes, not the address itself."""
    with pytest.raises(AccountProblem, match="password"):
        administration.add("new@long.example", password)


def test_a_password_has_one_spelling():
    """Composed and decomposed letters are the same password."""
    assert prepared("ne\u0301e") == prepared("n\u00e9e")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada@Example.org", "ada@example.org"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        (" a ", "a"),
    ],
)
def test_names_are_folded(text, name):
    """One spelling for each."""
    assert normalised(text) == name


@pytest.mark.parametrize("text", ["", " ", "a\tb\nc", "x" * 255, "\u200e", "\ud800"])
def test_impossible_names(text):
    """Empty ones would be one key for everybody (P60)."""
    assert normalised(text) is None


def test_an_address_without_a_dot_is_one():
    """Mail within one machine has none."""
    assert is_address("root@localhost")


def test_unknown_users_cost_a_check_too(users, hasher):
    """One check of a hash with today's parameters, whoever is asked for (R166)."""
    checker = UserAuthenticator(users, hasher)
    user = add_with(users, hasher)
    hasher.checked.clear()
    assert checker.check("nobody@example.org", PASSWORD) is None
    assert checker.check(EMAIL, "wrong") is None
    users.set_disabled(user.subject, disabled=True)
    assert checker.check(EMAIL, PASSWORD) is None
    dummy, *known = hasher.checked
    assert known == [user.password_hash] * 2
    assert dummy.split("$")[:4] == user.password_hash.split("$")[:4]


def test_the_default_parameters_are_the_named_ones():
    """Argon2id with 46 MiB, one pass, one lane."""
    assert Hasher().hash("x").startswith("$argon2id$v=19$m=47104,t=1,p=1$")


def test_an_older_hash_is_renewed_at_sign_in(users, hasher):
    """Raising the parameters takes effect user by user, and ends nobody's sessions."""
    user = users.add(EMAIL, Hasher(memory_kib=16).hash(PASSWORD))
    account = UserAuthenticator(users, hasher).check(EMAIL, PASSWORD)
    renewed = users.by_subject(user.subject)
    assert "m=8," in renewed.password_hash
    assert renewed.credential_version == account.credential_version == 1


def test_a_renewal_never_overwrites_a_new_password(users, hasher):
    """Who was faster with a new password wins."""
    user = add_with(users, hasher)
    users.set_password(user.subject, "newer")
    assert users.rehash(user, "renewed") is False
    assert users.by_subject(user.subject).password_hash == "newer"


def test_a_damaged_hash_is_a_wrong_password(users, hasher):
    """Not an error."""
    users.add(EMAIL, "no hash at all")
    assert UserAuthenticator(users, hasher).check(EMAIL, PASSWORD) is None


@pytest.mark.parametrize("change", ["disable", "set_password", "remove"])
def test_an_account_is_valid_until_it_changes(administration, ada, change):
    """What sign-in asks once more after its session exists."""
    checker = UserAuthenticator(administration.users, Hasher(memory_kib=8))
    account = Account(subject=ada.subject, credential_version=1)
    assert checker.still_valid(account)
    arguments = ["another long password"] if change == "set_password" else []
    getattr(administration, change)(ada, *arguments)
    assert not checker.still_valid(account)


def test_users_come_in_pages(users):
    """By address, each once."""
    for number in range(5):
        users.add(f"{number}@example.org", "x")
    first = users.page(limit=3)
    rest = users.page(after=first.after, limit=3)
    assert [user.email[0] for user in first.users + rest.users] == list("01234")
    assert rest.after is None


def test_passwords_are_not_in_the_database(administration, ada, tmp_path):
    """Nor in what a user says of itself."""
    with sqlite3.connect(tmp_path / "holdfast.db") as database:
        dump = "\n".join(database.iterdump())
    database.close()
    assert ada.subject in dump
    assert PASSWORD not in dump
    assert ada.password_hash not in repr(ada)


def test_a_damaged_database_is_a_store_error(tmp_path, clock):
    """Not a traceback of SQLite."""
    from holdfast.service.database import SqliteDatabase
    from holdfast.stores.sqlite.core import SqliteCore

    (tmp_path / "bad.db").write_bytes(b"no database" * 1000)
    database = SqliteDatabase(SqliteCore(tmp_path / "bad.db"))
    with pytest.raises(StoreError):
        Users(database, clock=clock, entropy=bytes)


# An authenticator of the application


def directory(email, password):
    return Account(subject="7", email=email) if password == "open sesame" else None


def wrong(email, password):
    return True


class Both:
    def check(self, email, password):
        return None

    def still_valid(self, account):
        return False


both = Both()
number = 7


def test_a_function_is_an_authenticator():
    """Its account is believed as long as the request lasts."""
    found = authenticator.load("service.test_users:directory")
    account = found.check(EMAIL, "open sesame")
    assert account == Account(subject="7", email=EMAIL)
    assert found.still_valid(account)
    assert found.check(EMAIL, "x") is None


def test_an_object_with_both_methods_is_one():
    """And is used as it is."""
    assert authenticator.load("service.test_users:both").still_valid(None) is False


@pytest.mark.parametrize(
    "path", ["", "x", "x:", "no.such.module:f", "service.test_users:nothing", "os:1a"]
)
def test_what_is_no_authenticator(path):
    """Refused at start, with an example or the reason."""
    with pytest.raises(ConfigurationError, match="authenticator"):
        authenticator.load(path)


def test_a_value_is_no_authenticator():
    """Nor is a function that answers something else."""
    with pytest.raises(ConfigurationError, match="no function"):
        authenticator.load("service.test_users:number")
    with pytest.raises(ConfigurationError, match="Account or None"):
        authenticator.load("service.test_users:wrong").check(EMAIL, "x")
