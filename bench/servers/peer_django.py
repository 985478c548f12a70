"""Django's own sessions in its Redis cache, with its CSRF protection; it has no limiter."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

if TYPE_CHECKING:
    from django.http import HttpRequest

settings.configure(
    ALLOWED_HOSTS=["*"],
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["BENCH_REDIS"],
        }
    },
    LOGGING_CONFIG=None,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(32).hex(),
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
)


@csrf_exempt
def login(request: HttpRequest, number: int) -> JsonResponse:
    request.session.cycle_key()
    request.session["user"] = f"user-{number}"
    request.session["role"] = "user"
    return JsonResponse({"ok": True})


def csrf(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"token": get_token(request)})


def me(request: HttpRequest) -> JsonResponse:
    if "user" not in request.session:
        return JsonResponse({"error": "Unauthorized"}, status=401)
    return JsonResponse({"user": request.session["user"]})


def note(request: HttpRequest) -> JsonResponse:
    if "user" not in request.session:
        return JsonResponse({"error": "Unauthorized"}, status=401)
    request.session["note"] = json.loads(request.body)["text"]
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"ok": True})


urlpatterns = [
    path("me", me),
    path("note", note),
    path("login/<int:number>", login),
    path("csrf", csrf),
]
app = get_wsgi_application()
