"""`CSRF_FAILURE_VIEW`: a project's own answer to what fails the CSRF check, if it has set one.

As in Django the view is called with the request and `reason`, and what it answers goes out, whatever
its status. Without the setting it is the chain's JSON, as under every framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.urls import get_callable

from holdfast.web.django import here
from holdfast.web.django.answers import add, answer

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from holdfast.chain import Reply

REASON = "CSRF check failed"


def refusal(request: HttpRequest, reply: Reply) -> HttpResponse:
    """The answer to a request that is refused, of the project or of the chain."""
    if not _is_the_projects(reply):
        return answer(request, reply)
    view: Any = get_callable(settings.CSRF_FAILURE_VIEW)
    if here.awaits(view):
        view = async_to_sync(view)
    exchange = here.exchange_of(request)
    exchange.visit.reply = None  # what the view does to the session is kept
    response: HttpResponse = view(request, reason=REASON)
    headers = tuple(pair for pair in reply.headers if pair[0] != "Content-Type")
    add(response, headers + exchange.chain.csrf.cookie_headers(exchange.visit))
    return response


async def awaited_refusal(request: HttpRequest, reply: Reply) -> HttpResponse:
    """The same on an event loop, which the view does not hold up."""
    if not _is_the_projects(reply):
        return answer(request, reply)
    return await sync_to_async(refusal)(request, reply)


def _is_the_projects(reply: Reply) -> bool:
    return reply.code == "csrf_failed" and settings.is_overridden("CSRF_FAILURE_VIEW")
