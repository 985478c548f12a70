"""A Django project for tests: set up once in a process, with a database in a file of its own."""

import atexit
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "holdfast.web.django.middleware.HoldfastMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
SETTINGS = {
    "SECRET_KEY": "a secret for tests: kelp 4 seven otters 0291",
    "ALLOWED_HOSTS": ["*"],
    "ROOT_URLCONF": "web_django.urls",
    "INSTALLED_APPS": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        *(["rest_framework"] if find_spec("rest_framework") else []),
        "holdfast.web.django",
    ],
    "MIDDLEWARE": MIDDLEWARE,
    "TEMPLATES": [
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
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "USE_TZ": True,
    "STATIC_URL": "/static/",
    "SESSION_ENGINE": "holdfast.web.django.sessions",
    "SESSION_COOKIE_NAME": "__Host-session",
    "CSRF_USE_SESSIONS": True,
}


def set_up():
    """Configure Django, the first time; no table is made yet."""
    if settings.configured:
        return
    folder = Path(tempfile.mkdtemp(prefix="holdfast-django-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "db.sqlite3",
        "OPTIONS": {"timeout": 20},
    }
    settings.configure(**SETTINGS, DATABASES={"default": database}, HOLDFAST_STORE="memory://")
    django.setup()


def make_tables():
    """For tests with users."""
    set_up()
    call_command("migrate", verbosity=0)
