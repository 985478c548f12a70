"""`CSRF_FAILURE_VIEW` and a body that is held back beyond the end of its session: nothing of it is shown.

Who has a copied cookie could send a form without a token, and its body after the owner has signed out
everywhere: it is waited for, since the token may be in it.
"""

import asyncio
import json

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponseForbidden, HttpResponseNotFound, JsonResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import override_settings
from django.utils.decorators import async_only_middleware, sync_only_middleware

from web_django import urls
from web_django.test_late import FORM, LATER, environ_of, sent

HERE = "web_django.test_failure_view_late"
SEEN = []


def shows(request, reason=""):
    """Whose session it is, looked up before the body is read."""
    whose = request.session.get(SESSION_KEY)
    SEEN.append(whose)
    return HttpResponseForbidden(f"Sorry {whose} {request.body[:0].decode()}")


async def ashows(request, reason=""):
    return shows(request)


def renders(request, reason=""):
    """A page that is made once the view has returned."""
    page = engines["django"].from_string(
        "Sorry {{ request.session.items }}{{ request.body.split.0 }}"
    )
    response = TemplateResponse(request, page, status=403)
    SEEN.append(request.session.get(SESSION_KEY))
    return response


def greets(request):
    """As a middleware that answers by itself, and looks at the session; None: it is for a view."""
    if request.path != "/nowhere":
        return None
    return HttpResponseNotFound(f"Nothing here, {request.session.get(SESSION_KEY)}")


@sync_only_middleware
def threads(get_response):
    def around(request):
        return greets(request) or get_response(request)

    return around


@async_only_middleware
def coroutines(get_response):
    """What stands around such a one is for coroutines as well, also under WSGI."""

    async def around(request):
        return greets(request) or await get_response(request)

    return around


@pytest.fixture(params=["threads", "coroutines"])
def stack(request):
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{HERE}.{request.param}"]):
        yield


@pytest.fixture(autouse=True)
def _afresh():
    yield
    SEEN.clear()
    urls.STEPS.clear()


@pytest.fixture
def ends(parts, passing):
    """What happens before the body comes: the owner signs out everywhere, and the bound is over."""

    def happens():
        parts.sessions.revoke_all("77")
        passing[0] += LATER

    return happens


@pytest.fixture
def slowly(passing):
    def happens():
        passing[0] += LATER

    return happens


WAYS = {
    "the check reads it": {"CONTENT_TYPE": FORM},
    "the page reads it": {"CONTENT_TYPE": FORM, "HTTP_X_CSRF_TOKEN": "none"},
    "from elsewhere": {"CONTENT_TYPE": FORM, "HTTP_ORIGIN": "https://evil.example"},
    "no route": {"CONTENT_TYPE": FORM, "PATH_INFO": "/nowhere"},
    "no route, the page reads it": {
        "CONTENT_TYPE": FORM,
        "PATH_INFO": "/nowhere",
        "HTTP_X_CSRF_TOKEN": "none",
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("view", [shows, ashows, renders])
def test_after_the_end_nothing_is_shown(stack, session, ends, way, view):
    """The chain answers for itself, as without the setting."""
    with override_settings(CSRF_FAILURE_VIEW=view):
        status, body = sent(environ_of(session, b"item=3", ends, **WAYS[way]))
    assert b"77" not in body
    by_django = view is renders and way in {"the page reads it", "from elsewhere"}  # who renders it
    expected = (401, "session_ended") if by_django else (403, "csrf_failed")
    assert (status, json.loads(body)["code"]) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("view", [shows, ashows, renders])
def test_in_time_the_page_is_made(stack, session, slowly, way, view):
    with override_settings(CSRF_FAILURE_VIEW=view):
        status, body = sent(environ_of(session, b"item=3", slowly, **WAYS[way]))
    assert (status, body[:6], SEEN) == (403, b"Sorry ", ["77"])


def test_the_page_is_not_even_made(stack, session, ends):
    with override_settings(CSRF_FAILURE_VIEW=shows):
        sent(environ_of(session, b"item=3", ends, CONTENT_TYPE=FORM))
    assert SEEN == []


def test_what_is_let_in_ends_in_this_stack_as_well(stack, session, ends, browser):
    browser.cookies["__Host-session"] = session.cookie
    token = browser.get("/token").json()["token"]
    done = []

    def reads(request):
        done.append(request.body)
        return JsonResponse({})

    urls.STEPS.append(reads)
    headers = {"HTTP_X_CSRF_TOKEN": token, "CONTENT_TYPE": "application/json"}
    status, _ = sent(environ_of(session, b"{}", ends, **headers))
    assert (status, done) == (401, [])


def test_servers_for_coroutines_have_the_body_first(session, ends):
    """Under ASGI Django begins once it is complete: whose session has ended by then is nobody."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/form",
        "query_string": b"",
        "headers": [
            (b"host", b"testserver"),
            (b"origin", b"https://evil.example"),
            (b"content-type", FORM.encode()),
            (b"cookie", f"__Host-session={session.cookie}".encode()),
        ],
    }
    parts_of_it = [{"type": "http.request", "body": b"item", "more_body": True}]
    answers = []

    async def receive():
        if parts_of_it:
            return parts_of_it.pop()
        if answers or ended:
            await asyncio.sleep(60)
        ended.append(ends())
        return {"type": "http.request", "body": b"=3"}

    async def send(message):
        answers.append(message)

    ended = []
    with override_settings(CSRF_FAILURE_VIEW=shows):
        asyncio.run(ASGIHandler()(scope, receive, send))
    assert (answers[0]["status"], SEEN) == (403, [None])
    assert b"Sorry None" in answers[1]["body"]
