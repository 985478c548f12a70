"""Changes of the key file: one after another, and nobody but the owner of the keys holds one up."""

import base64
import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from holdfast import ConfigurationError, KeyRing, keyfile
from holdfast.service.home import KEY_FILE
from process.workers import TIMEOUT, started, tell

STRANGER = 65534


def entropy(size):
    return os.urandom(size)


@pytest.fixture
def path(tmp_path):
    return tmp_path / KEY_FILE


@pytest.fixture
def ring():
    return KeyRing.generate(entropy, environment="production")


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(keyfile, "sleep", Mock(side_effect=AssertionError("it waits")))


@pytest.mark.parametrize("ends", ["by itself", "by kill -9"])
def test_of_two_changes_at_once_none_is_lost(tmp_path, ring, ends):
    """A `keys` command waits for another one, also for one that dies in the middle."""
    path, secret = tmp_path / KEY_FILE, base64.b64encode(entropy(33)).decode()
    keyfile.create(path, ring)
    with (
        started("change_keys", str(path), secret) as first,
        started("command", "keys", "announce", "--home", str(tmp_path)) as second,
    ):
        assert first.stdout.readline() == "changes\n"
        said = second.stdout.readline()
        if ends == "by itself":
            tell(first, "go on")
        else:
            first.kill()
        said += second.communicate(timeout=TIMEOUT)[0]
        first.wait(TIMEOUT)
    assert (said.partition("\n")[0], second.returncode) == ("waits", 0)
    announced = [key.material for key in keyfile.load(path).masters[1:]]
    assert len(announced) == (2 if ends == "by itself" else 1)
    assert (secret.encode() in announced) == (ends == "by itself")
    assert sorted(each.name for each in tmp_path.iterdir()) == [KEY_FILE, f"{KEY_FILE}.lock"]


def test_a_change_that_goes_on_for_ever_is_not_waited_for(path, ring, monkeypatch):
    """But for ten seconds; then it is said, and the keys stay as the other one leaves them."""
    keyfile.create(path, ring)
    pauses = []
    monkeypatch.setattr(keyfile, "sleep", pauses.append)

    def meanwhile(ring):
        with pytest.raises(ConfigurationError, match=r"another command.*try again"):
            keyfile.change(path, lambda ring: ring)
        return ring.announced(base64.b64encode(entropy(33)))

    keyfile.change(path, meanwhile)
    assert sum(pauses) == pytest.approx(10)
    assert len(keyfile.load(path).masters) == 2
    assert keyfile.change(path, lambda ring: ring).dump() == path.read_text()


@pytest.fixture
def open_folder():
    """One that everybody may read, for the path of a key file."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def another_user(uid):
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def test_who_may_read_the_folder_holds_up_nothing(path, ring, no_waiting):
    """A lock on the folder is not ours."""
    keyfile.create(path, ring)
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    keyfile.change(path, lambda ring: ring.announced(base64.b64encode(entropy(33))))
    os.close(folder)
    assert len(keyfile.load(path).masters) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is somebody else")
@pytest.mark.parametrize("owner", [0, 12345])
def test_a_stranger_can_hold_no_lock(open_folder, ring, owner, no_waiting):
    """Whatever they may open of the folder; the one that is ours is for the owner of the keys."""
    path = open_folder / KEY_FILE
    keyfile.create(path, ring)
    os.chown(path, owner, -1)
    keyfile.change(path, lambda ring: ring)
    held = []
    for each in (open_folder, *open_folder.iterdir()):
        for how in (os.O_RDONLY, os.O_RDWR):
            with another_user(STRANGER), suppress(PermissionError, IsADirectoryError):
                held.append(os.open(each, how))
                fcntl.flock(held[-1], fcntl.LOCK_EX)
    assert len(held) == 1
    keyfile.change(path, lambda ring: ring)
    os.close(held[0])
    facts = (open_folder / f"{KEY_FILE}.lock").stat()
    assert (facts.st_uid, facts.st_mode & 0o777) == (owner, 0o600)


def of_a_stranger(lock):
    lock.touch(mode=0o600)
    os.chown(lock, STRANGER, -1)


def for_everybody(lock):
    lock.touch()
    lock.chmod(0o644)


def a_link(lock):
    (lock.parent / "precious").touch(mode=0o600)
    lock.symlink_to(lock.parent / "precious")


def a_link_to_nothing(lock):
    lock.symlink_to(lock.parent / "made")


def a_pipe(lock):
    os.mkfifo(lock, mode=0o600)


@pytest.mark.parametrize("how", [of_a_stranger, for_everybody, a_link, a_link_to_nothing, a_pipe])
def test_a_lock_of_somebody_else_is_not_taken(path, ring, how):
    """It is named, nothing is done to what is there, and the keys stay as they are."""
    if how is of_a_stranger and os.geteuid() != 0:
        pytest.skip("only root makes a file of somebody else")
    keyfile.create(path, ring)
    lock = path.with_name(f"{path.name}.lock")
    how(lock)
    before, names = lock.lstat(), sorted(path.parent.iterdir())
    with pytest.raises(ConfigurationError, match=str(lock)):
        keyfile.change(path, lambda ring: ring.announced(base64.b64encode(entropy(33))))
    after = lock.lstat()
    assert (after.st_ino, after.st_uid, after.st_mode) == (
        before.st_ino,
        before.st_uid,
        before.st_mode,
    )
    assert (path.read_text(), sorted(path.parent.iterdir())) == (ring.dump(), names)


def test_of_two_that_make_the_lock_both_use_the_one(path, ring, monkeypatch):
    """Also when the other one makes it between the look and the making."""
    keyfile.create(path, ring)
    lock, link = path.with_name(f"{path.name}.lock"), os.link

    def late(draft, name):
        lock.touch(mode=0o600)
        link(draft, name)

    monkeypatch.setattr(os, "link", late)
    keyfile.change(path, lambda ring: ring)
    assert sorted(path.parent.iterdir()) == [path, lock]


def test_a_file_that_cannot_be_locked(path, ring, monkeypatch):
    """As on some network file systems: it is said, and nothing is changed."""
    keyfile.create(path, ring)
    monkeypatch.setattr(keyfile.fcntl, "flock", Mock(side_effect=OSError(9, "Bad descriptor")))
    with pytest.raises(ConfigurationError, match="cannot be locked, Bad descriptor"):
        keyfile.change(path, lambda ring: ring.announced(base64.b64encode(entropy(33))))
    assert path.read_text() == ring.dump()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        keyfile.change(path.parent / "no" / path.name, lambda ring: ring)
