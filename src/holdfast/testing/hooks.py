"""Races made deterministic: something happens exactly before or after a verb of a store."""

from __future__ import annotations

import inspect
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.protocols import AsyncStore, Store

    Hook = Callable[[], object]


class HookedStore:
    """A store, blocking or for coroutines, that runs a callback before or after a named verb.

    A test says what another request does in the gap:

        hooked = HookedStore(store)
        hooked.before("update", lambda: store.delete(id))
        ...  # the update of the code under test comes too late

    A hook is for one call, or for as many as `times` says; several hooks of one verb are for its
    next calls in turn. Around a store for coroutines a hook may be a coroutine function. A hook
    that raises stands for a store that fails at that moment.

    `calls` lists the verbs that were called: the number of round trips is a promise too (§12).
    """

    def __init__(self, store: Store | AsyncStore) -> None:
        self._store = store
        self._before: defaultdict[str, list[Hook]] = defaultdict(list)
        self._after: defaultdict[str, list[Hook]] = defaultdict(list)
        self.calls: list[str] = []

    def before(self, verb: str, hook: Hook, *, times: int = 1) -> None:
        """Run `hook` right before the next `times` calls of `verb`."""
        self._before[self._known(verb)] += [hook] * times

    def after(self, verb: str, hook: Hook, *, times: int = 1) -> None:
        """Run `hook` right after the next `times` calls of `verb`, before their caller goes on."""
        self._after[self._known(verb)] += [hook] * times

    def blocking(self) -> Store:
        """This object, for type checkers, around a blocking store."""
        return cast("Store", self)

    def asynchronous(self) -> AsyncStore:
        """This object, for type checkers, around a store for coroutines."""
        return cast("AsyncStore", self)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name.startswith("_") or not callable(found):
            return found
        if inspect.iscoroutinefunction(found):
            return self._asynchronous(name, found)
        return self._blocking(name, found)

    def get_at_once(self, *args: Any, **kwargs: Any) -> Any:
        """As that of the store, and counted as `get`; None where there is none, or a hook to run."""
        prompt = getattr(self._store, "get_at_once", None)
        if prompt is None or self._before["get"] or self._after["get"]:
            return None
        self.calls.append("get")
        return prompt(*args, **kwargs)

    def _known(self, verb: str) -> str:
        getattr(self._store, verb)  # a misspelt verb would make a test that tests nothing
        return verb

    def _blocking(self, verb: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(verb)
            for hook in _next(self._before[verb]):
                hook()
            result = call(*args, **kwargs)
            for hook in _next(self._after[verb]):
                hook()
            return result

        return hooked

    def _asynchronous(
        self, verb: str, call: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def hooked(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(verb)
            for hook in _next(self._before[verb]):
                await _finish(hook())
            result = await call(*args, **kwargs)
            for hook in _next(self._after[verb]):
                await _finish(hook())
            return result

        return hooked


def _next(hooks: list[Hook]) -> list[Hook]:
    """The hook whose turn it is, taken off first: what it does to the store is not hooked again."""
    return [hooks.pop(0)] if hooks else []


async def _finish(outcome: object) -> None:
    if inspect.isawaitable(outcome):
        await outcome
