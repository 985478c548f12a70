"""Django with nothing around it: what Django's chain is compared with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

if TYPE_CHECKING:
    from django.http import HttpRequest

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="unused", LOGGING_CONFIG=None
)


def me(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": "user-1"})


def note(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": bool(json.loads(request.body)["text"])})


urlpatterns = [path("me", me), path("note", note)]
app = get_wsgi_application()
