"""`Sessions`: the engine for threads, from the same source.

The engine's coroutines await nothing but the store. Here the store is a blocking one behind methods
that are async in shape only, so a coroutine runs to its end at the first `send(None)`: no event
loop, no thread, about one microsecond. If anything ever did suspend, `RuntimeError` would say so at
once.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from holdfast.engine import AsyncSessions, Touch
from holdfast.faces import async_shaped, run
from holdfast.protocols import NOBODY, ClientFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from holdfast.protocols import Clock, Entropy, Sink, Store
    from holdfast.rules.keys import KeyRing
    from holdfast.session import Session
    from holdfast.settings import Rate, Settings

P = ParamSpec("P")
T = TypeVar("T")


def sync(
    method: Callable[Concatenate[AsyncSessions, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Sessions, P], T]:
    """The blocking twin of a method of `AsyncSessions`, with the same signature and docstring."""

    @wraps(method)
    def call(self: Sessions, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self.engine, *args, **kwargs))

    return call


class Sessions:
    """All operations on sessions, for threads; see `AsyncSessions` for each of them.

    `engine` is the `AsyncSessions` underneath, whose coroutines `run` can drive.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        keys: KeyRing,
        *,
        clock: Clock,
        entropy: Entropy,
        sinks: Sequence[Sink] = (),
        collect: Callable[[Touch], None] | None = None,
        fresh: Store | None = None,
    ) -> None:
        self.engine = AsyncSessions(
            async_shaped(store),
            settings,
            keys,
            clock=clock,
            entropy=entropy,
            sinks=sinks,
            collect=collect,
            fresh=None if fresh is None else async_shaped(fresh),
        )

    def begin(
        self,
        token: str | None,
        client: ClientFacts = NOBODY,
        *,
        rate: Rate | None = None,
        fresh: bool = False,
    ) -> Session:
        """As `AsyncSessions.begin`, without a coroutine where the store answers at once."""
        found = self.engine.begin_at_once(token, client, rate, fresh=fresh)
        return run(found()) if isinstance(found, partial) else found

    begin_bearer = sync(AsyncSessions.begin_bearer)
    adopt = sync(AsyncSessions.adopt)
    commit = sync(AsyncSessions.commit)
    sign_in = sync(AsyncSessions.sign_in)
    sign_out = sync(AsyncSessions.sign_out)
    rotate = sync(AsyncSessions.rotate)
    issue_tokens = sync(AsyncSessions.issue_tokens)
    verify_token = sync(AsyncSessions.verify_token)
    refresh = sync(AsyncSessions.refresh)
    revoke_token = sync(AsyncSessions.revoke_token)
    revoke_jti = sync(AsyncSessions.revoke_jti)
    revoke = sync(AsyncSessions.revoke)
    revoke_all = sync(AsyncSessions.revoke_all)
    revoke_everyone = sync(AsyncSessions.revoke_everyone)
    find = sync(AsyncSessions.find)
    look = sync(AsyncSessions.look)
    load = sync(AsyncSessions.load)
    sessions_of = sync(AsyncSessions.sessions_of)
    sessions_of_everyone = sync(AsyncSessions.sessions_of_everyone)
    sweep = sync(AsyncSessions.sweep)
