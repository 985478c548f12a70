"""`CSRF_FAILURE_VIEW`: a project's own answer to what fails the CSRF check, if it has set one.

As in Django the view is called with the request and `reason`, and what it answers goes out, whatever
its status. What it writes into the session is kept where the request is refused ahead of a view, as
what a view writes; at a guard in a view, and once a view has answered, it is dropped. Without the
setting it is the chain's JSON, as under every framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.urls import get_callable

from holdfast.errors import SessionEnded
from holdfast.faces import run
from holdfast.web.django import here
from holdfast.web.django.answers import add, answer
from holdfast.web.django.body import ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from holdfast.chain import Reply

REASON = "CSRF check failed"
_SERVER_ERROR = 500


def refusal(request: HttpRequest, reply: Reply) -> HttpResponse:
    """The answer to a request that is refused, of the project or of the chain."""
    if not _is_the_projects(reply) or ended(request):  # while the token was looked for in the body
        return answer(request, reply)
    exchange = here.exchange_of(request)
    given, exchange.visit.reply = exchange.visit.reply, None
    try:
        response = _called(request)
    except SessionEnded:  # the view has read on in the body
        exchange.visit.reply = given
        return answer(request, reply)
    headers = tuple(pair for pair in reply.headers if pair[0] != "Content-Type")
    add(response, headers + exchange.chain.csrf.cookie_headers(exchange.visit))
    return response


def last_refusal(request: HttpRequest, reply: Reply) -> HttpResponse:
    """The same once the view's answer is there and its session was committed.

    It may write into that as anywhere, to no effect; and nobody but us is left to render the page.
    """
    if not _is_the_projects(reply):
        return answer(request, reply)
    exchange = here.exchange_of(request)
    exchange.visit.session.closed = False
    try:
        response = _rendered(refusal(request, reply))
    except SessionEnded:  # it was the template that has read on
        response = answer(request, reply)
    finally:  # takes back what was carried out at once; a sign-out is one
        done = run(exchange.assembly.blocking_chain.commit(exchange.visit, _SERVER_ERROR))
    if done.status is not None and done.code != reply.code:  # such as an outage
        return answer(request, done)
    add(response, done.headers if done.status is None else ())
    return response


async def awaited(
    refused: Callable[[HttpRequest, Reply], HttpResponse], request: HttpRequest, reply: Reply
) -> HttpResponse:
    """One of the two on an event loop, which the view does not hold up."""
    if not _is_the_projects(reply):
        return answer(request, reply)
    return await sync_to_async(refused)(request, reply)


def _called(request: HttpRequest) -> HttpResponse:
    view: Any = get_callable(settings.CSRF_FAILURE_VIEW)
    if here.awaits(view):
        view = async_to_sync(view)
    response: HttpResponse = view(request, reason=REASON)
    return response


def _rendered(response: Any) -> HttpResponse:
    """What Django has not rendered, such as the page of a `TemplateView`, is rendered now."""
    render: Callable[[], HttpResponse] | None = getattr(response, "render", None)
    rendered: HttpResponse = response if render is None else render()
    return rendered


def _is_the_projects(reply: Reply) -> bool:
    return reply.code == "csrf_failed" and settings.is_overridden("CSRF_FAILURE_VIEW")
