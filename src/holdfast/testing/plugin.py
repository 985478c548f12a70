"""The pytest plugin: a clock that a test sets, and clients of an application in isolation.

It loads no framework; what a test does not ask for is not imported.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.testing.clients import Clients


@pytest.fixture
def holdfast_clock() -> FakeClock:
    """The time in this test: `holdfast_clock.advance(ms)` moves it."""
    return FakeClock()


@pytest.fixture
def holdfast_client(holdfast_clock: FakeClock) -> Iterator[Clients]:
    """`holdfast_client(app)` is a test client of the application, on an empty store in memory.

    Time is `holdfast_clock`'s. Several clients of one test meet in the same store, as the devices
    of one person do; nothing is left to the next test. Options are those of
    `holdfast.testing.client`.
    """
    from holdfast.testing.apps import isolated
    from holdfast.testing.clients import client

    clients: Callable[..., Any] = client
    with ExitStack() as until_the_end:
        isolated_apps: list[Any] = []

        def make(app: Any, **options: Any) -> Any:
            if not any(app is each for each in isolated_apps):
                until_the_end.enter_context(isolated(app, clock=holdfast_clock))
                isolated_apps.append(app)
            return clients(app, **options)

        yield make
