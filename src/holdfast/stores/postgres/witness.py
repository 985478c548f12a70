"""Hears the warnings of the server while a durable write runs.

A commit that waits for a synchronous standby and is told to stop waiting succeeds all the same,
with a warning that it may not have been replicated: what was done is done, and is not proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.stores.postgres.errors import Unproved

if TYPE_CHECKING:
    from psycopg.errors import Diagnostic

    from holdfast.stores.postgres.connections import Connection


class Witness:
    """Listens on a connection until it leaves."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._warned = False
        connection.add_notice_handler(self._hear)

    def leave(self) -> None:
        """Stop listening."""
        self._connection.remove_notice_handler(self._hear)

    def require_silence(self, result: object) -> None:
        """Accept the write that came to this.

        Raises:
            Unproved: the server has warned.
        """
        if self._warned:
            raise Unproved(result)

    def _hear(self, notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warned = True
