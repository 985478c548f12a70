"""The chain without a framework: request facts in, a visit and a reply out, over a store in memory."""

import pytest

from chain.facts import Steps
from holdfast.settings import Rate, Settings


@pytest.fixture
def settings():
    """Defaults, and a small budget; tests override it."""
    return Settings(rate=Rate(limit=3))


@pytest.fixture
def steps(settings):
    steps = Steps(settings)
    yield steps
    steps.assembly.close()
