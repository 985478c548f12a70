"""The key file: made once, for its owner alone, never overwritten, and never shown."""

import base64
import json
import os
import stat
from unittest.mock import Mock

import pytest

from holdfast import ConfigurationError, KeyRing, keyfile
from process.workers import run_worker


def entropy(size):
    return os.urandom(size)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "holdfast.keys.json"


@pytest.fixture
def ring():
    return KeyRing.generate(entropy, environment="production")


def load_or_create(path, environment="production"):
    return keyfile.load_or_create(path, environment=environment, entropy=entropy)


def test_the_first_start_makes_keys(path):
    """R169: random ones, mode 0600, whatever the umask; later starts find the same."""
    before = os.umask(0)
    try:
        first = load_or_create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path).dump() == first.dump() == path.read_text()
    assert load_or_create(path.with_name("other.json")).dump() != first.dump()
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, "other.json"]


def test_processes_that_start_at_once_agree(path):
    """One of them makes the keys, all of them use those."""
    lines = run_worker("make_keys", str(path), times=4)
    assert len({line for line in lines if "kid" in line}) == 1
    assert len([line for line in lines if "kid" in line]) == 4


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o666, 0o601, 0o777])
def test_a_file_that_others_may_read_is_refused(path, ring, mode):
    """R170: with the command that mends it, and without a word of what is in it."""
    keyfile.create(path, ring)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}") as caught:
        keyfile.load(path)
    assert_shows_nothing(caught.value, ring)
    with pytest.raises(ConfigurationError):
        load_or_create(path)


def assert_shows_nothing(error, ring):
    material = ring.masters[0].material
    for secret in (material.decode(), base64.b64encode(material).decode()[:20]):
        assert secret not in str(error)
        assert secret not in repr(error.__cause__)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_is_read(path, ring, mode):
    """Read-only is fine."""
    keyfile.create(path, ring)
    path.chmod(mode)
    assert keyfile.load(path).dump() == ring.dump()


def test_it_is_never_overwritten(path, ring):
    """P25: what is there stays, byte for byte, and no draft is left behind."""
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        keyfile.create(path, ring)
    assert path.read_text() == "precious"
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="not a key file"):
        load_or_create(path)
    assert path.read_text() == "precious"
    assert list(path.parent.iterdir()) == [path]


def test_a_changed_ring_takes_its_place_in_one_step(path, ring):
    """A rotation: mode 0600 again, and nobody ever reads half a file."""
    keyfile.create(path, ring)
    newer = ring.rotated(base64.b64encode(entropy(33)))
    keyfile.replace(path, newer)
    assert keyfile.load(path).dump() == newer.dump()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("how", ["create", "replace"])
def test_a_write_that_fails_changes_nothing(path, ring, how, monkeypatch):
    """P9: the old file stays, no draft stays, and the message names the file."""
    if how == "replace":
        keyfile.create(path, ring)
    before = path.read_bytes() if path.exists() else None

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    newer = ring.rotated(base64.b64encode(entropy(33)))
    with pytest.raises(ConfigurationError, match=r"cannot be written.*No space left"):
        getattr(keyfile, how)(path, newer)
    assert (path.read_bytes() if path.exists() else None) == before
    assert [each for each in path.parent.iterdir() if each != path] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for somebody else")
def test_its_owner_stays_the_same(path, ring):
    """A `keys` command run by root leaves the service its keys."""
    keyfile.create(path, ring)
    os.chown(path, 12345, -1)
    keyfile.replace(path, ring.rotated(base64.b64encode(entropy(33))))
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (12345, 0o600)


def test_a_file_of_somebody_else_stays_as_it_is(path, ring, monkeypatch):
    """Its owner could not read what we put in its place."""
    keyfile.create(path, ring)
    before, refuse = path.read_text(), Mock(side_effect=PermissionError(1, "not permitted"))
    monkeypatch.setattr(keyfile, "_give", refuse)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        keyfile.replace(path, ring.rotated(base64.b64encode(entropy(33))))
    assert path.read_text() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_not_there_is_named(tmp_path, ring):
    """It is not made: a mistyped path is a mistake (P25)."""
    with pytest.raises(ConfigurationError, match="cannot be written"):
        load_or_create(tmp_path / "no" / "keys.json")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        keyfile.load(tmp_path / "no" / "keys.json")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        keyfile.replace(tmp_path / "no" / "keys.json", ring)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        keyfile.load(tmp_path)


def test_keys_of_another_environment_are_refused(path):
    """P36: a file that was copied from staging opens nothing here."""
    load_or_create(path, "staging")
    with pytest.raises(ConfigurationError, match="'staging', not 'production'"):
        load_or_create(path)


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b"\xff\xfe", b"null", b"\0" * 2_000_000, b'{"format": 99}', b"[" * 100_000],
    ids=range(8),
)
def test_what_is_no_key_file_is_refused(path, text):
    """By its name, with what to do; bounded work, whatever its size."""
    path.touch(mode=0o600)
    path.write_bytes(text)
    with pytest.raises(ConfigurationError, match=str(path)):
        keyfile.load(path)


def test_a_changed_file_is_refused_and_not_shown(path, ring):
    """A weakened or renamed key does not come in by the file."""
    keyfile.create(path, ring)
    file = json.loads(path.read_text())
    material = file["masters"][0]["material"]
    for change in (
        {"material": "YWJj"},
        {"kid": "other"},
        {"status": "retired"},
        {"algorithm": "none"},
    ):
        path.write_text(json.dumps({**file, "masters": [{**file["masters"][0], **change}]}))
        with pytest.raises(ConfigurationError, match=str(path)) as caught:
            keyfile.load(path)
        assert material not in str(caught.value)
    path.write_text(json.dumps({**file, "environment": "staging"}))
    with pytest.raises(ConfigurationError):
        keyfile.load(path)
