"""Durable rotation of refresh tokens on SQLite: 16 clients at once, each always with its latest token."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time

from bench import _measure as measure
from holdfast import AsyncSessions, KeyRing, Session, Settings, stores
from holdfast.assembly import now_ms

CLIENTS = 16
EACH = 5 if measure.QUICK else 300


async def client(sessions: AsyncSessions, token: str) -> str:
    """One client's turn; its last token."""
    for _ in range(EACH):
        refreshed = await sessions.refresh(token)
        assert refreshed.tokens is not None, refreshed.reason
        token = refreshed.tokens.refresh_token
    return token


async def first_token(sessions: AsyncSessions, number: int) -> str:
    """The refresh token of a new sign-in."""
    session = Session()
    await sessions.sign_in(session, f"user-{number}", role="user")
    return (await sessions.issue_tokens(session)).refresh_token


async def rounds(url: str) -> list[float]:
    """Refreshes a second, by round."""
    settings = Settings()
    ring = KeyRing.from_secrets([secrets.token_urlsafe(32)], environment=settings.environment)
    store = stores.open_async(url)
    sessions = AsyncSessions(store, settings, ring, clock=now_ms, entropy=os.urandom)
    tokens = [await first_token(sessions, number) for number in range(CLIENTS)]
    rates = []
    for _ in range(measure.ROUNDS):
        begun = time.perf_counter()
        tokens = await asyncio.gather(*(client(sessions, token) for token in tokens))
        rates.append(CLIENTS * EACH / (time.perf_counter() - begun))
    await store.close()
    return rates


def main() -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as folder:
        rates = asyncio.run(rounds(f"sqlite:///{folder}/holdfast.db"))
    name = "refresh, durable, 16 clients, in the library"
    measure.publish(
        "refresh",
        [measure.figure(name, "a second", rates)],
        [
            measure.ratio(
                f"{name}, over 3,000 a second", rates, [3000.0] * len(rates), must=1, at_most=False
            )
        ],
    )


if __name__ == "__main__":
    main()
