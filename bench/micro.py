"""The library's own operations beside the bare work they stand on, in one process.

begin    against a bare prepared point read of the same rows of the same file in the same loop
verify   against the JOSE library's own decode of the same token
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt

from bench import _measure as measure
from holdfast import KeyRing, Session, Sessions, Settings, stores
from holdfast.assembly import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS = 200 if measure.QUICK else 20_000
LIVE = 100 if measure.QUICK else 10_000
READ_US = 5.0
"""The targets for memory and the warm cache were written where a bare point read takes 5 µs."""


class Subject:
    """The engine over one store with 10,000 live sessions, read in turn."""

    def __init__(self, url: str, ring: KeyRing, settings: Settings) -> None:
        self.store = stores.open_both(url).blocking
        self.sessions = Sessions(
            self.store, settings, ring, clock=now_ms, entropy=os.urandom, collect=lambda _: None
        )
        signed_in = [self._sign_in(number) for number in range(LIVE)]
        self.ids = cycle([session.id for session in signed_in])
        self.cookies = cycle([session.cookie for session in signed_in])
        self.cookie = signed_in[0].cookie
        self.tokens = self.sessions.issue_tokens(signed_in[0])

    def _sign_in(self, number: int) -> Session:
        session = Session()
        session["cart"] = [1, 2, 3]
        self.sessions.sign_in(session, f"user-{number}", role="user", email="user@example.org")
        return session

    def begin(self) -> float:
        """Microseconds of one `begin`."""
        return measure.per_call(lambda: self.sessions.begin(next(self.cookies)), CALLS)

    def verify_warm(self) -> float:
        """Microseconds of one `verify_token` whose signature was checked before."""
        token = self.tokens.access_token
        return measure.per_call(lambda: self.sessions.verify_token(token), CALLS)

    def verify_cold(self) -> float:
        """Microseconds of one `verify_token` of a token that was not seen before."""
        session = self.sessions.begin(self.cookie)
        fresh = [self.sessions.issue_tokens(session).access_token for _ in range(min(CALLS, 2000))]
        pending = iter(fresh)
        return measure.per_call(lambda: self.sessions.verify_token(next(pending)), len(fresh))

    def decode(self, ring: KeyRing, settings: Settings) -> float:
        """Microseconds of the JOSE library's own decode, with the same checks."""
        token, key = self.tokens.access_token, ring.signer("access").verifying_key
        options: dict[str, Any] = {
            "algorithms": ["HS256"],
            "audience": settings.audience,
            "issuer": settings.issuer,
        }
        return measure.per_call(lambda: jwt.decode(token, key, **options), CALLS)  # type: ignore[arg-type]


def point_read(path: Path, ids: Iterator[str]) -> Callable[[], object]:
    """A bare prepared read of the very rows that `begin` reads."""
    bare = sqlite3.connect(path, isolation_level=None)
    bare.execute("PRAGMA mmap_size = 268435456")
    query = "SELECT body, seen_at, expires_at, address FROM sessions WHERE id = ?"
    return lambda: bare.execute(query, (next(ids),)).fetchone()


def main() -> None:
    """Measure, print, keep."""
    settings = Settings()
    ring = KeyRing.from_secrets([secrets.token_urlsafe(32)], environment=settings.environment)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sqlite = Subject(f"sqlite:///{folder}/holdfast.db", ring, settings)
        memory = Subject("memory://", ring, settings)
        bare = point_read(folder / "holdfast.db", sqlite.ids)
        samples = measure.interleaved(
            {
                "bare SQLite point read": lambda: measure.per_call(bare, CALLS),
                "begin, SQLite": sqlite.begin,
                "begin, memory": memory.begin,
                "PyJWT decode (HS256)": lambda: memory.decode(ring, settings),
                "verify_token cold, memory": memory.verify_cold,
                "verify_token warm, memory": memory.verify_warm,
            }
        )
    read, decode = samples["bare SQLite point read"], samples["PyJWT decode (HS256)"]
    measure.publish(
        "micro",
        [measure.figure(each, "µs", values) for each, values in samples.items()],
        [
            measure.ratio("begin, SQLite / point read", samples["begin, SQLite"], read, must=3),
            measure.ratio("begin, memory / point read", samples["begin, memory"], read, must=6 / 5),
            measure.ratio(
                "verify cold / decode", samples["verify_token cold, memory"], decode, must=1.2
            ),
            measure.ratio(
                "verify warm / decode", samples["verify_token warm, memory"], decode, must=5 / 42
            ),
        ],
        ("PyJWT", "msgspec", "cryptography"),
    )


if __name__ == "__main__":
    main()
