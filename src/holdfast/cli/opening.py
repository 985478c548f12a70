"""Opening the data of a service for one command, and reading all of what it has in pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from holdfast.assembly import Assembly
    from holdfast.service.administration import Administration
    from holdfast.service.database import Database
    from holdfast.service.environment import Configuration

AUDIT_FILE = "audit.jsonl"
T = TypeVar("T")


@dataclass
class Data:
    """A running assembly, and the accounts in its database."""

    configuration: Configuration
    assembly: Assembly

    @cached_property
    def administration(self) -> Administration:
        """The accounts."""
        from holdfast.assembly import now_ms
        from holdfast.service.administration import Administration

        return Administration(self.assembly, self.database, self.configuration.options, now_ms)

    @cached_property
    def database(self) -> Database:
        """The tables of the service."""
        from holdfast.service.user_database import user_database

        return user_database(self.configuration, self.assembly)

    def close(self) -> None:
        """Close what was opened."""
        self.assembly.close()
        if "database" in vars(self):
            self.database.close()


def configured(home_folder: str | None, store: str | None = None) -> Configuration:
    """The configuration of the data in a folder.

    Without a profile, that of the environment which the folder's keys belong to.
    """
    from holdfast.service import environment

    given = dict(os.environ)
    for name, value in (("HOME", home_folder), ("STORE", store)):
        if value is not None:
            given[environment.PREFIX + name] = value
    return environment.load({**_of_key_file(given), **given})


@contextmanager
def opened(home_folder: str | None, store: str | None = None) -> Generator[Data]:
    """The data of a service, while the command runs. Events go to a file in the folder.

    Raises:
        ConfigurationError: the settings are wrong.
        StoreError: the data cannot be opened.
    """
    from holdfast import sinks
    from holdfast.assembly import assemble
    from holdfast.service import home

    configuration = configured(home_folder, store)
    home.prepare(configuration.home)
    path = configuration.home / AUDIT_FILE
    with open(path, "a", encoding="ascii", opener=_private) as audit:
        assembly = assemble(
            configuration.settings,
            keys=home.key_ring(configuration),
            store=configuration.store,
            audit=[sinks.json_lines(audit)],
        )
        data = Data(configuration, assembly)
        try:
            yield data
        finally:
            data.close()


def all_pages(page: Callable[[str | None], tuple[Iterable[T], str | None]]) -> Iterator[T]:
    """What is on all pages; `page` is told where to go on."""
    found, after = page(None)
    yield from found
    while after is not None:
        found, after = page(after)
        yield from found


def _of_key_file(given: Mapping[str, str]) -> dict[str, str]:
    """The profile and environment that a folder was made for."""
    from holdfast import keyfile
    from holdfast.service import environment, home

    folder = Path(given.get("HOLDFAST_HOME") or environment.DEFAULT_HOME)
    path = folder / home.KEY_FILE
    if given.get("HOLDFAST_SECRET") or given.get("HOLDFAST_PROFILE") or not path.exists():
        return {}
    name = keyfile.load(path).environment
    profile = name if name in environment.PROFILES else "production"
    return {"HOLDFAST_PROFILE": profile, "HOLDFAST_ENVIRONMENT": name}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
