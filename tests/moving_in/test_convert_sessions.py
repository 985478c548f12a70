"""`holdfast convert-sessions`: what old releases have pickled can move in, and what it cannot hold stays."""

import json
import os
import pickle
import re
import subprocess
import sys

import msgspec
import pytest

from holdfast.adoption import FlaskSession
from holdfast.faces import run
from holdfast.stores.redis.foreign import open_foreign
from service.running import command, environment

FLAGS = ["--load-pickles", "--json"]


@pytest.fixture(scope="session")
def releases(tmp_path_factory):
    """The last releases that pickled, in folders of their own."""

    def installed(*packages):
        folder = tmp_path_factory.mktemp("old-release")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder]
        done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
        if done.returncode and os.environ.get("CI") != "true":
            pytest.skip(f"{packages} cannot be installed: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr
        return folder

    return installed


def python(folder, text, *arguments, **variables):
    """What a program says under an old release, without a word of warning about its age."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text, *arguments],
        env={**environment(), "PYTHONPATH": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Flask-Session

SITE = """
import sys, flask, redis, flask_session
from datetime import datetime
assert flask_session.__version__ == "0.5.0", flask_session.__version__
client = redis.Redis.from_url(sys.argv[1])
app = flask.Flask("old")
app.config.update(SECRET_KEY="old", SESSION_TYPE="redis", SESSION_REDIS=client)
flask_session.Session(app)

@app.get("/")
def sign_in():
    flask.session.update({"_user_id": "ada", "cart": [1, ("a", None)]})
    flask.flash("hi")
    return ""

@app.get("/odd")
def odd():
    flask.session["at"] = datetime(2025, 1, 1)
    return ""

for path in ("/", "/odd"):
    answer = app.test_client(use_cookies=False).get(path)
    print(answer.headers["Set-Cookie"].partition(";")[0])
"""


@pytest.fixture(scope="session")
def flask_session_0_5(releases):
    return releases("Flask-Session==0.5.0", "cachelib")


@pytest.fixture
def cookies(flask_session_0_5, old):
    """The cookies of a session that can become JSON, and of one that cannot."""
    return python(flask_session_0_5, SITE, old.url).split("\n")


def adopted(url, cookie):
    """What our adoption reads of a session."""
    place = FlaskSession(redis_url=url).open(timeout=5)
    try:
        sessions = place.blocking
        return run(sessions.read(sessions.key_of(cookie.partition("=")[2])))
    finally:
        place.close()


@pytest.mark.timeout(300)
def test_flask_session(tmp_path, old, cookies):
    """Sessions of the real old release: before, nobody's; afterwards, they move in."""
    fine, odd = cookies
    assert adopted(old.url, fine) is None
    ends = [old.client.pttl(key) for key in sorted(old.client.keys())]
    done = command(tmp_path, "convert-sessions", "flask-session", old.url, *FLAGS)
    assert json.loads(done.stdout) == {
        "converted": 1,
        "unchanged": 0,
        "refused": 1,
        "reasons": {"an object of datetime.datetime": 1},
    }
    assert "WARNING: this reads pickles" in done.stderr
    found = adopted(old.url, fine)
    assert found.subject == "ada"
    assert found.data["cart"] == [1, ["a", None]]
    assert found.data["_flashes"] == [["message", "hi"]]
    assert adopted(old.url, odd) is None
    after = [old.client.pttl(key) for key in sorted(old.client.keys())]
    assert all(0 < now <= before for now, before in zip(after, ends, strict=True))
    again = command(tmp_path, "convert-sessions", "flask-session", old.url, *FLAGS)
    assert json.loads(again.stdout) | {"reasons": 0} == {
        "converted": 0,
        "unchanged": 1,
        "refused": 1,
        "reasons": 0,
    }


def test_people_see_a_sentence_and_how_far_it_is(tmp_path, old):
    """And each reason."""
    old.client.set("session:a", pickle.dumps({"a": 1}))
    old.client.set("session:b", pickle.dumps({"a": {1}}))
    done = command(tmp_path, "convert-sessions", "flask-session", old.url, "--load-pickles")
    assert done.stdout.splitlines() == [
        "1 sessions converted, 0 were no pickles or are gone, 1 were refused and stay as they are.",
        "  1 of them: a value of type set",
    ]
    assert re.search(r"Converting .*100%", done.stderr)


def test_other_keys_are_left_alone(tmp_path, old):
    """Also where the prefix has letters that mean something in a pattern."""
    old.client.mset({"s[*]:a": pickle.dumps({"a": 1}), "sx:b": pickle.dumps({"a": 1})})
    done = command(
        tmp_path, "convert-sessions", "flask-session", old.url, "--prefix", "s[*]:", *FLAGS
    )
    assert json.loads(done.stdout)["converted"] == 1
    assert msgspec.msgpack.decode(old.client.get("s[*]:a")) == {"a": 1}
    assert pickle.loads(old.client.get("sx:b")) == {"a": 1}


def test_a_session_that_changes_meanwhile_is_left_alone(old):
    """The application should be stopped; if it is not, nothing of it is lost."""
    old.client.set("session:a", b"new")
    place = open_foreign(old.url, 5)
    assert run(place.blocking.swap(b"session:a", b"old", b"converted")) is False
    assert old.client.get("session:a") == b"new"
    place.close()


def test_many_sessions(tmp_path, old):
    """More than one page of keys."""
    old.client.mset({f"session:{n}": pickle.dumps({"n": n}) for n in range(2500)})
    done = command(tmp_path, "convert-sessions", "flask-session", old.url, *FLAGS)
    assert json.loads(done.stdout)["converted"] == 2500


class Program:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_pickle_that_is_a_program(tmp_path, old, monkeypatch):
    """It does not run, and stays."""
    monkeypatch.chdir(tmp_path)
    raw = pickle.dumps({"a": Program()})
    old.client.set("session:a", raw)
    done = command(tmp_path, "convert-sessions", "flask-session", old.url, *FLAGS)
    assert json.loads(done.stdout)["reasons"] == {"an object of posix.mkdir": 1}
    assert old.client.get("session:a") == raw
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "arguments", [["flask-session", "redis://127.0.0.1:1"], ["django", "--settings", "x"]]
)
def test_without_the_flag_nothing_is_read(tmp_path, arguments):
    """One line that says what it is about."""
    done = command(tmp_path, "convert-sessions", *arguments)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "--load-pickles" in line


def test_a_redis_that_is_away(tmp_path):
    """One line, no traceback."""
    done = command(tmp_path, "convert-sessions", "flask-session", "redis://127.0.0.1:1", *FLAGS)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


# Django

PROJECT = """
SECRET_KEY = "tests only: the key of a project"
INSTALLED_APPS = ["django.contrib.sessions"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": r"FOLDER/project.db"}}
SESSION_SERIALIZER = "django.contrib.sessions.serializers.CHOSEN"
USE_TZ = True
"""
MAKE = """
import django, datetime
assert django.VERSION[:2] == (4, 2), django.VERSION
django.setup()
from django.core.management import call_command
from django.utils.safestring import mark_safe
from django.contrib.sessions.backends.db import SessionStore
call_command("migrate", verbosity=0)
for data in ({"_auth_user_id": "7", "cart": (1, 2), "note": mark_safe("<b>")},
             {"at": datetime.datetime.now()}, {1: 2}):
    session = SessionStore()
    session.update(data)
    session.save()
    print(session.session_key)
"""
READ = """
import django, json, sys
django.setup()
from django.contrib.sessions.backends.db import SessionStore
print(json.dumps([dict(SessionStore(key).load()) for key in sys.argv[1:]]))
"""


@pytest.fixture(scope="session")
def django_4_2(releases):
    return releases("Django==4.2.*")


@pytest.fixture
def project(tmp_path):
    """Write the settings of a project with a serializer."""

    def written(serializer):
        text = PROJECT.replace("FOLDER", str(tmp_path)).replace("CHOSEN", serializer)
        tmp_path.joinpath("project.py").write_text(text)

    return written


@pytest.mark.timeout(300)
def test_django(tmp_path, project, django_4_2, monkeypatch):
    """Sessions of a real Django 4.2 with PickleSerializer are read by today's with JSONSerializer."""
    project("PickleSerializer")
    settings = {"DJANGO_SETTINGS_MODULE": "project"}
    folders = f"{django_4_2}{os.pathsep}{tmp_path}"
    keys = python(folders, MAKE, **settings).split()
    project("JSONSerializer")
    assert json.loads(python(tmp_path, READ, *keys, **settings)) == [{}, {}, {}]
    monkeypatch.chdir(tmp_path)
    done = command(tmp_path, "convert-sessions", "django", "--settings", "project", *FLAGS)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["converted"], told["unchanged"], told["refused"]) == (1, 0, 2)
    assert told["reasons"] == {"an object of datetime.datetime": 1, "a key of type int": 1}
    found, *rest = json.loads(python(tmp_path, READ, *keys, **settings))
    assert found == {"_auth_user_id": "7", "cart": [1, 2], "note": "<b>"}
    assert rest == [{}, {}]


@pytest.mark.timeout(300)
def test_what_the_project_has_not_signed(tmp_path, project, django_4_2, monkeypatch):
    """Is not even looked at: with another SECRET_KEY nothing is unpickled."""
    project("PickleSerializer")
    folders = f"{django_4_2}{os.pathsep}{tmp_path}"
    python(folders, MAKE, DJANGO_SETTINGS_MODULE="project")
    project("JSONSerializer")
    settings = tmp_path / "project.py"
    settings.write_text(settings.read_text().replace("the key of", "another key of"))
    monkeypatch.chdir(tmp_path)
    done = command(tmp_path, "convert-sessions", "django", "--settings", "project", *FLAGS)
    assert json.loads(done.stdout) | {"reasons": 0} == {
        "converted": 0,
        "unchanged": 3,
        "refused": 0,
        "reasons": 0,
    }


@pytest.mark.parametrize("settings", ["nosuch", "json"])
def test_a_project_that_there_is_not(tmp_path, settings):
    """One line that says how to name it."""
    done = command(tmp_path, "convert-sessions", "django", "--settings", settings, *FLAGS)
    assert done.returncode == 1
    assert "for example --settings mysite.settings" in done.stderr
    assert "Traceback" not in done.stderr
