"""The Django application that test_servers.py starts under real servers, sync and async."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path

from holdfast import Settings
from holdfast.settings import Rate
from holdfast.web import django as holdfast

settings.configure(
    SECRET_KEY="not used: HOLDFAST_SECRET is set",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["holdfast.web.django"],
    MIDDLEWARE=["holdfast.web.django.middleware.HoldfastMiddleware"],
    SESSION_ENGINE="holdfast.web.django.sessions",
    SESSION_COOKIE_NAME="session",
    CSRF_USE_SESSIONS=True,
    HOLDFAST=Settings.for_development(rate=Rate(limit=100_000)),
)
app = get_wsgi_application()
asgi = get_asgi_application()
holdfast.assembly().blocking.sessions_of("nobody")  # open, and with threads, before a server forks


def answer(**values):
    return JsonResponse({"pid": os.getpid(), **values})


def token(request):
    return answer(token=holdfast.csrf_token(request))


@holdfast.require_csrf
def login(request):
    request.session["_auth_user_id"] = request.POST["name"]
    return answer()


def add(data):
    data["n"] = data.get("n", 0) + 1


@holdfast.require
def count(request):
    holdfast.session_of(request).change(add)
    return answer(length=len(request.body))


@holdfast.require
async def acount(request):
    holdfast.session_of(request).change(add)
    return answer(length=len(request.body))


@holdfast.require
def me(request):
    return answer(user=holdfast.session_of(request).subject, n=request.session.get("n", 0))


@holdfast.require
async def ame(request):
    return answer(user=holdfast.session_of(request).subject, n=request.session.get("n", 0))


def logout(request):
    request.session.flush()
    return answer()


def numbers():
    yield from map(str, range(1000))


async def anumbers():
    for number in numbers():
        yield number


def stream(request):
    request.session["streamed"] = True
    return StreamingHttpResponse(numbers())


async def astream(request):
    request.session["streamed"] = True
    return StreamingHttpResponse(anumbers())


urlpatterns = [
    path(view.__name__, view)
    for view in (token, login, count, acount, me, ame, logout, stream, astream)
]
