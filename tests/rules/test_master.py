"""A master secret gives each purpose a key of its own, and other keys in each environment."""

from holdfast.rules.master import derived, master

SECRET = b"0123456789abcdefghijklmnopqrstuv"


def test_each_purpose_and_environment_has_its_own_key():
    """P36: the same secret in staging opens nothing in production."""
    made = {
        derived(SECRET, environment, purpose, 32)
        for environment in ("production", "staging")
        for purpose in ("csrf", "access", "refresh")
    }
    assert len(made) == 6
    assert {len(key) for key in made} == {32}


def test_its_name_is_of_the_secret_and_the_environment():
    """Two processes give the same secret the same name."""
    key = master(SECRET, "production", "active")
    assert master(f" {SECRET.decode()}\n", "production", "verify").kid == key.kid
    assert master(SECRET, "staging", "active").kid != key.kid
    assert SECRET.decode() not in repr(key)


def test_golden():
    """The labels are frozen: another key here would sign everybody out."""
    assert derived(SECRET, "production", "csrf", 8).hex() == "f2e92f12f9604860"
    assert master(SECRET, "production", "active").kid == "QMpDMND1gryy"
