"""Guards of Django's views: whom they let in, and in the hands of somebody in a hurry."""

import asyncio

import pytest
from django.contrib.auth import login

from holdfast.errors import UsageError
from holdfast.web.django import guards
from web_django.conftest import avisited, visited

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.mark.parametrize(
    "guard", [guards.require_role, guards.require_fresh, guards.require_permission]
)
def test_a_guard_that_was_not_told_what_it_requires(guard):
    """`@require_role` without its call: where it is written down, not at the first request."""
    with pytest.raises(UsageError, match=f"^{guard.__name__}: say what is required"):
        guard(lambda request: "view")


@guards.require_permission("auth.view_user")
def managed(_request):
    return "seen"


@guards.require_permission("auth.view_user")
async def amanaged(_request):
    return "seen"


def outcome(answer):
    return answer if answer == "seen" else (answer.status_code, answer.json()["code"])


def test_a_permission(browser, abrowser, users, ada):
    """401 for nobody, 403 for a user without it: of a view of either kind."""

    def outcomes():
        return outcome(visited(browser, managed)), outcome(
            asyncio.run(avisited(abrowser, amanaged))
        )

    assert outcomes() == ((401, "unauthenticated"),) * 2
    visited(browser, lambda request: login(request, ada, BACKEND))
    abrowser.cookies = browser.cookies
    assert outcomes() == ((403, "forbidden"),) * 2
    users.filter(pk=ada.pk).update(is_superuser=True)
    assert outcomes() == ("seen",) * 2
    users.filter(pk=ada.pk).update(is_active=False)
    assert outcomes() == ((403, "forbidden"),) * 2
