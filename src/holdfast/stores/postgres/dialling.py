"""Opening connections, each within a time limit."""

from __future__ import annotations

import asyncio
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from holdfast.stores.lookup import require_found
from holdfast.stores.postgres.errors import Late, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.stores.postgres.connections import Connection

_LEAST = 2
"""Seconds that libpq gives a connection at the least."""


class Server:
    """A server, or several of which one is the primary, as a connection string of libpq says.

    What it does not say, libpq takes from the environment. A server that has gone without a word is
    noticed by the system within `timeout` (seconds), also while nobody waits for it.
    """

    def __init__(self, conninfo: str, timeout: float) -> None:
        given = conninfo_to_dict(conninfo)
        self._place = _place(given)
        hosts = str(given.get("host") or given.get("hostaddr") or "").split(",")
        self._several = len(hosts)
        self._hosts = [] if given.get("hostaddr") else [host for host in hosts if host]
        defaults: dict[str, Any] = {
            "client_encoding": "UTF8",
            "fallback_application_name": "holdfast",
            "keepalives_idle": 30,
            "tcp_user_timeout": ceil(timeout * 1000),
        }
        if self._several > 1:
            defaults["target_session_attrs"] = "read-write"
        self.conninfo = make_conninfo("", **{**defaults, **given})

    def dial(self, deadline: float) -> Connection:
        """A new connection.

        Raises:
            Unreachable: there is none to be had.
            Late: nor is there an answer.
        """
        for host in self._hosts:
            self._require_found(host, deadline)
        try:
            return psycopg.Connection[Any].connect(
                self.conninfo, autocommit=True, connect_timeout=self._each(deadline)
            )
        except psycopg.Error as error:
            raise Unreachable(self._place) from error

    async def dial_async(self, deadline: float) -> Connection:
        """As `dial`, for coroutines."""
        try:
            async with asyncio.timeout(max(deadline - monotonic(), 0)):
                return await psycopg.AsyncConnection[Any].connect(
                    self.conninfo, autocommit=True, connect_timeout=self._each(deadline)
                )
        except TimeoutError:
            raise Late from None
        except psycopg.Error as error:
            raise Unreachable(self._place) from error

    def _require_found(self, host: str, deadline: float) -> None:
        """Look a name up ahead of libpq, which would wait for that without a limit."""
        try:
            require_found(host, deadline)
        except TimeoutError:
            raise Late from None
        except OSError as error:
            if self._several == 1:
                raise Unreachable(self._place) from error

    def _each(self, deadline: float) -> int:
        """The whole seconds for each of the servers."""
        return max(ceil((deadline - monotonic()) / self._several), _LEAST)


def _place(given: Mapping[str, object]) -> str:
    """The hosts that a connection string names, each with its port; empty if it names none."""
    hosts = str(given.get("host") or given.get("hostaddr") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return ", ".join(
        f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False) if host
    )
