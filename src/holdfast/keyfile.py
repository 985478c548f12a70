"""The key file of the service and of development: made once, mode 0600, never overwritten."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError
from holdfast.rules.keys import KeyRing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from holdfast.protocols import Entropy

_OPEN_TO_OTHERS = 0o077
_MAX_BYTES = 1024 * 1024
_ATTEMPTS = 100
_PAUSE_S = 0.1


def load_or_create(path: Path, *, environment: str, entropy: Entropy) -> KeyRing:
    """The ring in the file; if there is none, a new one, even if many processes start at once.

    Raises:
        ConfigurationError: the file cannot be read or made, is open to others, or belongs to
            another environment.
    """
    if not path.exists():
        with suppress(FileExistsError):  # another process was faster: its keys are ours
            create(path, KeyRing.generate(entropy, environment=environment))
    ring = load(path)
    if ring.environment != environment:
        raise ConfigurationError(
            f"{path}: the keys belong to environment {ring.environment!r}, not {environment!r}; set"
            " that environment, or name another file"
        )
    return ring


def load(path: Path) -> KeyRing:
    """The ring in the file.

    Raises:
        ConfigurationError: the file cannot be read, was changed, or others could read it too.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_MAX_BYTES).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: the key file cannot be read ({_why(error)})") from None
    if mode & _OPEN_TO_OTHERS:
        raise ConfigurationError(f"{path}: others may read it; for example: chmod 600 {path}")
    try:
        return KeyRing.load(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def create(path: Path, ring: KeyRing) -> None:
    """Write a new key file in one step.

    Raises:
        FileExistsError: there is one already, which stays as it is.
        ConfigurationError: it cannot be written.
    """
    draft = _written(path, ring)
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        draft.unlink()
    _settle(path)


def change(path: Path, how: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Put what `how` makes of the ring in its place; of several changes at once none is lost.

    Another one is waited for, 10 s at the most.

    Raises:
        ConfigurationError: another one goes on for longer, or the file cannot be read or written; it
            stays as it is.
    """
    with _alone(path):
        ring = how(load(path))
        replace(path, ring)
    return ring


def replace(path: Path, ring: KeyRing) -> None:
    """Put a changed ring in the place of the old one, in one step; its owner stays the same.

    Raises:
        ConfigurationError: it cannot be written, or not for its owner; the old file stays as it is.
    """
    draft = _written(path, ring)
    try:
        _give(draft, path.stat().st_uid)
        draft.replace(path)
    except OSError as error:
        draft.unlink()
        raise _unwritable(path, error) from None
    _settle(path)


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """A file beside it is locked: the key file itself is another one after each change."""
    file = _open_lock(path)
    try:
        _lock(file, path)
        yield
    finally:
        os.close(file)  # which unlocks it, as the end of the process does


def _open_lock(path: Path) -> int:
    """Whoever can open it can hold it, so it is for the owner of the keys alone, and stays."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        owner = path.stat().st_uid
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        if not os.path.lexists(lock):
            _make_lock(lock, owner)
        file = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigurationError(f"{lock}: it cannot be opened ({_why(error)})") from None
    facts = os.fstat(file)
    if facts.st_uid != owner or facts.st_mode & _OPEN_TO_OTHERS or not stat.S_ISREG(facts.st_mode):
        os.close(file)
        raise ConfigurationError(
            f"{lock}: must be a file of the owner of the keys, for nobody else; remove it when no"
            " other command changes them"
        )
    return file


def _make_lock(lock: Path, owner: int) -> None:
    """It is there with its owner at once; of two that make it at once one does."""
    handle, name = tempfile.mkstemp(prefix=f".{lock.name}.", dir=lock.parent)
    os.close(handle)
    draft = Path(name)
    try:
        _give(draft, owner)
        with suppress(FileExistsError):
            os.link(draft, lock)
    finally:
        draft.unlink()


def _lock(file: int, path: Path) -> None:
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(_PAUSE_S)
        except OSError as error:
            why = f"it cannot be locked, {_why(error)}"
            raise ConfigurationError(f"{path}: the keys stay as they are ({why})") from None
        else:
            return
    raise ConfigurationError(
        f"{path}: another command is changing the keys; try again when it has ended"
    )


def _give(draft: Path, uid: int) -> None:
    """Of a command run by root the service could not read a key."""
    if draft.stat().st_uid != uid:
        os.chown(draft, uid, -1)


def _written(path: Path, ring: KeyRing) -> Path:
    """A complete file of mode 0600 beside `path`, on disk."""
    draft: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        draft = Path(name)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(ring.dump())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if draft is not None:
            draft.unlink()
        raise _unwritable(path, error) from None
    return draft


def _settle(path: Path) -> None:
    """A name is on disk when its folder is; a lost key file signs everybody out."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems do not sync folders
            os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: the key file cannot be written ({_why(error)})")


def _why(error: Exception) -> str:
    """What went wrong, and nothing of what the file holds."""
    return error.strerror or "I/O error" if isinstance(error, OSError) else "it is not text"
