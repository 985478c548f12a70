"""Turns what the engine saw into events; a failing sink is counted and never felt (R164)."""

from __future__ import annotations

import hmac
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from holdfast.errors import NotDurable, Reason
from holdfast.events import Event, EventName, Severity
from holdfast.protocols import NOBODY, ClientFacts, Clock, Sink
from holdfast.rules.agent import clean

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_HASH_CHARS = 22


class Auditor:
    """Sends events to the sinks. `failures` counts what sinks raised."""

    def __init__(self, key: bytes, clock: Clock, sinks: Sequence[Sink]) -> None:
        self._key = key
        self._clock = clock
        self._sinks = tuple(sinks)
        self.failures = 0

    def session_hash(self, id: str) -> str:
        """The name of a session in logs: a keyed hash, so no credential and no id (R158)."""
        return hmac.digest(self._key, id.encode(), "sha256").hex()[:_HASH_CHARS]

    def emit(
        self,
        name: EventName,
        client: ClientFacts = NOBODY,
        *,
        id: str | None = None,
        subject: str | None = None,
        reason: str | Reason | None = None,
        severity: Severity = Severity.INFO,
        **detail: str | int,
    ) -> None:
        """One event, now. `id` is the session's id, which goes out as a keyed hash only."""
        if not self._sinks:
            return
        event = Event(
            name=name,
            at=self._clock(),
            severity=severity,
            subject=subject,
            session=self.session_hash(id) if id else None,
            reason=clean(str(reason)) if reason else None,
            address=client.address,
            user_agent=clean(client.user_agent) if client.user_agent else None,
            request_id=client.request_id,
            detail=detail,
        )
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:  # noqa: BLE001 - whatever a sink does, no request feels it (R164)
                self.failures += 1

    @contextmanager
    def unproved(
        self,
        name: EventName,
        client: ClientFacts,
        *,
        id: str | None = None,
        subject: str | None = None,
        reason: str | None = None,
    ) -> Generator[partial[None]]:
        """Around a durable write: what was done without proof is in the log as well (P13).

        Gives the `emit` of this event, for who learns that it was done with proof.
        """
        emit = partial(self.emit, name, client, id=id, subject=subject, reason=reason)
        try:
            yield emit
        except NotDurable:
            emit(severity=Severity.WARN, durability="unproved")
            raise
