"""Guards of Django's views in the hands of somebody in a hurry."""

import pytest

from holdfast.errors import UsageError
from holdfast.web.django import guards


@pytest.mark.parametrize(
    "guard", [guards.require_role, guards.require_fresh, guards.require_permission]
)
def test_a_guard_that_was_not_told_what_it_requires(guard):
    """`@require_role` without its call: where it is written down, not at the first request."""
    with pytest.raises(UsageError, match=f"^{guard.__name__}: say what is required"):
        guard(lambda request: "view")
