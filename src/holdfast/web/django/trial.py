"""Whether Django's test runner, or pytest-django, runs this process: what tests of a project need.

Django gives such a process a database of its own, the host `testserver`, and `DEBUG = False`,
whatever the project says. So an existing suite runs as it is, and touches no session of anybody.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.conf import LazySettings

HOST = "testserver"  # of Django's test clients, which speak plain HTTP to it
STORE = "memory://"


def is_on() -> bool:
    """Whether `django.test.utils.setup_test_environment` has been called, and not undone."""
    return _kept() is not None


def has_debug(conf: LazySettings) -> bool:
    """`DEBUG` as the project says, which the runner turns off."""
    kept = _kept()
    return bool(conf.DEBUG if kept is None else kept.debug)


def _kept() -> Any:
    """What Django puts back at the end of the tests; its own note of them, and the only sure one.

    `mail.outbox`, which others look for, is there in any process with the mail backend in memory.
    """
    state = getattr(sys.modules.get("django.test.utils"), "_TestState", None)
    return getattr(state, "saved_data", None)
