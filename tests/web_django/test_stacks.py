"""Middleware of either kind before and after ours, and views of either kind: one session for all of them."""

import asyncio

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import login
from django.http import JsonResponse
from django.test import override_settings
from django.urls import path as route
from django.utils.decorators import async_only_middleware, sync_only_middleware

from holdfast.web import django as holdfast
from web_django import urls
from web_django.conftest import AsyncBrowser, Browser

BACKEND = "django.contrib.auth.backends.ModelBackend"
HERE = "web_django.test_stacks"


@sync_only_middleware
def counts(get_response):
    """Looks at the session and changes it, in a thread."""

    def middleware(request):
        response = get_response(request)
        request.session["seen"] = request.session.get("seen", 0) + 1
        return response

    return middleware


@async_only_middleware
def acounts(get_response):
    """The same on an event loop."""

    async def middleware(request):
        response = await get_response(request)
        request.session["seen"] = request.session.get("seen", 0) + 1
        return response

    return middleware


@sync_only_middleware
def passes(get_response):
    return get_response


@async_only_middleware
def apasses(get_response):
    async def middleware(request):
        return await get_response(request)

    return middleware


def asked(browser):
    """Each answer as a coroutine's, whichever client it is."""

    async def send(method, path, **options):
        answer = getattr(browser, method)(path, **options)
        return await answer if asyncio.iscoroutine(answer) else answer

    return send


async def enters_and_posts(browser, path, enters, greets):
    send = asked(browser)
    urls.STEPS.append(enters)
    assert (await send("get", path)).status_code == 200
    token = (await send("get", "/token")).json()["token"]
    urls.STEPS.append(greets)
    answer = await send("post", path, data={"csrf_token": token})
    assert answer.json()["got"] == "ada"
    assert (await send("post", path)).status_code == 403


@pytest.mark.parametrize(("outer", "inner"), [("passes", "counts"), ("apasses", "acounts")])
@pytest.mark.parametrize("kind", [Browser, AsyncBrowser])
@pytest.mark.parametrize("path", ["/visit", "/avisit"])
def test_any_order(parts, ada, outer, inner, kind, path):
    """Sign-in, token, form: in threads, on an event loop, and across both."""

    def enters(request):
        login(request, ada, BACKEND)

    def greets(request):
        return request.session.get("_auth_user_id") and request.user.get_username()

    def awaiting(step):
        async def on_a_loop(request):
            return await sync_to_async(step)(request)

        return step if path == "/visit" else on_a_loop

    around = [f"{HERE}.{outer}", *settings.MIDDLEWARE, f"{HERE}.{inner}"]
    with override_settings(MIDDLEWARE=around):
        posts = enters_and_posts(kind(), path, awaiting(enters), awaiting(greets))
        if kind is AsyncBrowser:
            asyncio.run(posts)
        else:  # Django's sync client wants a thread without a loop
            with pytest.raises(StopIteration):
                posts.send(None)
    (record,) = parts.records()
    assert b'"seen":3' in record.data


@pytest.mark.skipif(django.VERSION < (5, 1), reason="the middleware is of Django 5.1")
def test_the_middleware_that_requires_a_login(browser, parts, ada):
    """It stands before the guards, so it redirects; a view for API clients says that it need not."""
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, required], ROOT_URLCONF=HERE):
        assert browser.get("/page").status_code == 302
        assert browser.get("/api").status_code == 401
        browser.force_login(ada)
        assert browser.get("/page").status_code == browser.get("/api").status_code == 200
        browser.logout()
        assert browser.get("/page").status_code == 302


def answers(request):
    return JsonResponse({"user": holdfast.session_of(request).subject})


def api(request):
    return holdfast.require(answers)(request)


api.login_required = False  # what `login_not_required` sets, which 5.0 does not have
urlpatterns = [route("page", answers), route("api", api)]
