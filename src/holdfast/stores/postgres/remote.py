"""What a PostgreSQL store says of itself to the wrappers around it: one node, one line."""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING

from holdfast.errors import StoreError
from holdfast.stores.postgres.dialling import Server
from holdfast.stores.postgres.line import PostgresLine
from holdfast.stores.remote import Durability

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.stores.postgres.core import PostgresCore
    from holdfast.stores.remote import Line

_LINE = "changes"
_KNOWN_FOR_S = 10.0
_SETTINGS = "SELECT current_setting('fsync'), current_setting('synchronous_standby_names')"


class PostgresRemote:
    """A `holdfast.stores.remote.Remote` over a core.

    `listen_url` names the server itself, where the core's URL names a pooler that gives each
    transaction another connection.
    """

    fenced = False

    def __init__(self, core: PostgresCore, listen_url: str) -> None:
        self._core = core
        self._server = Server(listen_url, core.timeout)
        self._durability = Durability("fsynced")
        self._known_until = 0.0

    def lines(self) -> tuple[str, ...]:
        """The one line."""
        return (_LINE,)

    def line_of(self, id: str) -> str:  # noqa: ARG002 - one server has all
        """The one line."""
        return _LINE

    def dial(self, line: str) -> Line:  # noqa: ARG002 - there is one
        """Open it; the store's tables are there then."""
        deadline = monotonic() + self._core.timeout
        self._core.establish()
        return PostgresLine(self._server, self._core.schema, max(deadline - monotonic(), 0))

    def on_change(self, moved: Callable[[], None]) -> None:
        """Do nothing: there is always the one line."""

    def on_loss(self, lost: Callable[[], None]) -> None:
        """Call `lost` when a connection that had worked is gone."""
        self._core.on_loss(lost)

    def durability(self) -> Durability:
        """By the server's settings, asked every ten seconds; while it is away the latest known."""
        if monotonic() >= self._known_until:
            self._known_until = monotonic() + _KNOWN_FOR_S
            try:
                self._durability = self._asked()
            except StoreError:
                self._known_until = 0.0
        return self._durability

    def _asked(self) -> Durability:
        ((fsync, names),) = self._core.execute(_SETTINGS)
        if fsync != "on":
            return Durability("memory")
        count = standbys(str(names))
        return Durability("replicated", count) if count else Durability("fsynced")


def standbys(setting: str) -> int:
    """How many standbys a commit waits for, by the setting `synchronous_standby_names`."""
    if not setting.strip():
        return 0
    number = re.match(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", setting, re.IGNORECASE)
    return int(number[1]) if number else 1
