"""A Django site in one file: accounts, messages, the admin and a REST view, over one session each.

python django_site.py migrate
python django_site.py demo          # makes the user
python django_site.py runserver     # http://localhost:8000/, and /admin/ for the list of sessions
"""

import secrets
import sys
from pathlib import Path

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import path, reverse_lazy

from holdfast.web import django as holdfast

settings.configure(
    DEBUG=True,
    SECRET_KEY=secrets.token_urlsafe(32),  # sessions have HOLDFAST_SECRET
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "holdfast.web.django",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "holdfast.web.django.middleware.HoldfastMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    SESSION_ENGINE="holdfast.web.django.sessions",
    SESSION_COOKIE_NAME="__Host-session",
    CSRF_USE_SESSIONS=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}},
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    STATIC_URL="/static/",
    LOGIN_URL=reverse_lazy("admin:login"),
)
application = get_wsgi_application()

PAGE = """
<p>{% for message in messages %}{{ message }} {% endfor %}</p>
<p>Hello {{ user.username }}, visit {{ request.session.visits }}.</p>
<form method="post">{% csrf_token %}<button>Count</button></form>
"""


@login_required
def home(request):
    if request.method == "POST":
        request.session["visits"] = request.session.get("visits", 0) + 1
        messages.success(request, "Counted.")
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


@holdfast.require
def api(request):
    return JsonResponse({"user": request.user.username, "visits": request.session.get("visits", 0)})


urlpatterns = [
    path("", home),
    path("api", api),
    path("admin/", admin.site.urls),
]


def demo():
    from django.contrib.auth.models import User

    User.objects.create_superuser("ada@example.org", password="correct horse battery staple")


if __name__ == "__main__":
    if Path(sys.argv[0]).name == "django_site.py" and sys.argv[1:] == ["demo"]:
        demo()
    else:
        execute_from_command_line(sys.argv)
