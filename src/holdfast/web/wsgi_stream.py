"""Streams of threads: an answer that goes on for long ends with its session.

A thread that waits for the application's next chunk cannot be stopped, and need not be: nothing goes
out meanwhile. So it is looked at when there is a chunk, at most twice in the bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.faces import run
from holdfast.stores.feed import moment
from holdfast.web.lasting import Proved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.chain import Chain
    from holdfast.session import Session


class Living:
    """The chunks of an answer for as long as this session lives, which is stored.

    Then a stream of `events` just ends, and its client comes back to be judged anew. Any other
    raises, so that the server cuts it off, and nobody takes a part for the whole.
    """

    def __init__(
        self, chain: Chain, session: Session, chunks: Iterable[bytes], *, events: bool
    ) -> None:
        self._proved = Proved(chain, session, moment())
        self._whole = chunks
        self._chunks = iter(chunks)
        self._events = events

    def __iter__(self) -> Living:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        if not self._proved.due():
            return chunk
        over = run(self._proved.over())
        if over is None:
            return chunk
        self._chunks = iter(())
        if self._events:
            raise StopIteration
        raise over

    def close(self) -> None:
        """Let go of what the application streams (PEP 3333)."""
        close(self._whole)


def close(chunks: Iterable[bytes]) -> None:
    """Let go of an application's answer, if it wants to hear of that (PEP 3333)."""
    own = getattr(chunks, "close", None)
    if own is not None:
        own()
