"""Routes of the project. What `visit` and `avisit` do is the test's: the next of `STEPS`."""

from django.contrib import admin
from django.contrib.auth import urls as auth_urls
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.template import engines
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt, csrf_protect, ensure_csrf_cookie

from holdfast.web import django as holdfast

STEPS = []
FORM = "<form method=post>{% csrf_token %}<input name=item></form>"


def plain(given):
    return given if isinstance(given, HttpResponseBase) else JsonResponse({"got": given})


def visit(request):
    return plain(STEPS.pop(0)(request))


async def avisit(request):
    return plain(await STEPS.pop(0)(request))


def form(request):
    if request.method == "POST":
        uploads = {name: file.read().decode() for name, file in request.FILES.items()}
        return JsonResponse({**request.POST.dict(), **uploads})
    return HttpResponse(engines["django"].from_string(FORM).render({}, request))


def token(request):
    return JsonResponse({"token": get_token(request)})


def me(request):
    return JsonResponse(
        {"user": request.user.username, "subject": request.session.get("_auth_user_id")}
    )


urlpatterns = [
    path("visit", visit),
    path("exempt", csrf_exempt(visit)),
    path("avisit", avisit),
    path("form", form),
    path("protected", csrf_protect(form)),
    path("token", token),
    path("ensured", ensure_csrf_cookie(me)),
    path("me", me),
    path("mine", holdfast.require(me)),
    path("open", lambda _request: HttpResponse("open")),
    path("admin/", admin.site.urls),
    path("accounts/", include(auth_urls)),
]
