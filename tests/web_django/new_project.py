"""A project as `startproject` makes it, moved to Holdfast as the tutorial says, and its tests."""

import os
import subprocess
import sys

MOVED = """
INSTALLED_APPS = ["holdfast.web.django", *INSTALLED_APPS]
SESSION_ENGINE = "holdfast.web.django.sessions"
SESSION_COOKIE_NAME = "__Host-session"
CSRF_USE_SESSIONS = True
MIDDLEWARE.remove("django.middleware.csrf.CsrfViewMiddleware")
MIDDLEWARE[1] = "holdfast.web.django.middleware.HoldfastMiddleware"
"""


def suite_of(folder, tests):
    """What `manage.py test` says of these tests of a new project, from its own secret on."""
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", folder], check=True)
    with (folder / "mysite" / "settings.py").open("a") as lines:
        lines.write(MOVED)
    (folder / "mysite" / "tests.py").write_text(tests)
    ours = ("HOLDFAST_", "DJANGO_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "manage.py", "test"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
