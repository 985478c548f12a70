"""Holdfast around Django; the store comes from `HOLDFAST_STORE`. No user row is loaded."""

from __future__ import annotations

import json
import logging
import secrets
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path

from holdfast import Rate, Settings

if TYPE_CHECKING:
    from django.http import HttpRequest

logging.getLogger("holdfast").setLevel(logging.ERROR)
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY=secrets.token_urlsafe(48),
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "holdfast.web.django",
    ],
    MIDDLEWARE=["holdfast.web.django.middleware.HoldfastMiddleware"],
    SESSION_ENGINE="holdfast.web.django.sessions",
    CSRF_USE_SESSIONS=True,
    HOLDFAST=Settings.for_development(rate=Rate(limit=1_000_000)),
)
django.setup()

from holdfast.web import django as holdfast  # noqa: E402 - only where Django is set up


def login(request: HttpRequest, number: int) -> JsonResponse:
    holdfast.session_of(request).sign_in(f"user-{number}", role="user")
    return JsonResponse({"ok": True})


def csrf(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"token": holdfast.csrf_token(request)})


@holdfast.require
def me(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": holdfast.session_of(request).subject})


@holdfast.require
def note(request: HttpRequest) -> JsonResponse:
    session = holdfast.session_of(request)
    session["note"] = json.loads(request.body)["text"]
    session["count"] = session.get("count", 0) + 1
    return JsonResponse({"ok": True})


urlpatterns = [
    path("me", me),
    path("note", note),
    path("login/<int:number>", login),
    path("csrf", csrf),
]
app = WSGIHandler()
