"""The folder of the service: database, key file, and what else a first start makes (R169)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import keyfile
from holdfast.errors import ConfigurationError
from holdfast.rules.keys import KeyRing

if TYPE_CHECKING:
    from holdfast.service.environment import Configuration

KEY_FILE = "keys.json"
_PRIVATE = 0o700


def prepare(home: Path) -> None:
    """Make the folder, for this user alone, if there is none.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        home.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{home}: the folder cannot be made ({error.strerror})") from error


def key_ring(configuration: Configuration) -> KeyRing:
    """The keys: of `HOLDFAST_SECRET` if it is set, else of the key file, which a first start makes.

    Raises:
        ConfigurationError: a secret is weak, or the file cannot be used.
    """
    environment = configuration.settings.environment
    if configuration.secrets:
        return KeyRing.from_secrets(configuration.secrets, environment=environment)
    path = configuration.home / KEY_FILE
    return keyfile.load_or_create(path, environment=environment, entropy=os.urandom)
