"""The pytest plugin, as somebody else's project meets it: installed, and nothing configured."""

import subprocess

import pytest

from nested_pytest import COMMAND

APP = """
from fastapi import Depends, FastAPI
from holdfast.web.fastapi import Holdfast, Session, current, require

app = FastAPI()
holdfast = Holdfast(app, secret="a secret for tests: kelp 4 seven otters 0291", store="sqlite:///mine.db")

@app.get("/me")
def me(session: Session = Depends(require)):
    return {"user": session.subject}

@app.post("/logout")
def logout(session: Session = Depends(current)):
    session.sign_out()
"""
TESTS = """
from app import app
from holdfast.testing import csrf, sign_in

DAY = 24 * 3_600_000

def test_expiry(holdfast_client, holdfast_clock):
    browser = holdfast_client(app)
    sign_in(browser, subject="ada")
    assert browser.get("/me").json() == {"user": "ada"}
    holdfast_clock.advance(DAY + 1)
    holdfast_clock.advance(70_000)
    assert browser.get("/me").status_code == 401

def test_devices_meet(holdfast_client):
    phone, laptop = holdfast_client(app), holdfast_client(app)
    sign_in(phone, subject="ada")
    sign_in(laptop, subject="ada")
    phone.post("/logout", headers=csrf(phone))
    assert phone.get("/me").status_code == 401
    assert laptop.get("/me").status_code == 200

def test_nothing_is_left_of_another_test(holdfast_client):
    from app import holdfast
    holdfast_client(app)
    assert holdfast.assembly.blocking.sessions_of("ada").records == ()

def test_the_applications_own_store_is_untouched():
    from app import holdfast
    assert holdfast.assembly.blocking.sessions_of("ada").records == ()
    assert holdfast.assembly.settings.environment == "production"
"""
BARE = """
import sys

def test_nothing_heavy_is_loaded():
    names = {name.partition(".")[0] for name in sys.modules}
    assert not names & {"flask", "starlette", "fastapi", "django", "sqlalchemy", "jwt", "redis"}
"""


@pytest.fixture
def pytest_in(tmp_path):
    """Run pytest in an empty folder on these files; what it printed."""

    def run(*options, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return subprocess.run(
            [*COMMAND, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout

    return run


@pytest.mark.parametrize("listed", [False, True])
def test_the_fixtures_are_there_without_a_line_of_configuration(pytest_in, listed):
    """Also for who lists the plugin: it is the same one."""
    conftest = 'pytest_plugins = ["holdfast.testing.plugin"]\n' if listed else ""
    assert "4 passed" in pytest_in("-W", "error", app=APP, conftest=conftest, test_app=TESTS)


def test_the_plugin_can_be_refused(pytest_in):
    """As any other."""
    output = pytest_in("-p", "no:holdfast.testing.plugin", app=APP, test_app=TESTS)
    assert "fixture 'holdfast_client' not found" in output


def test_who_does_not_use_the_fixtures_loads_no_framework(pytest_in):
    """It is loaded in every run of everybody who has Holdfast installed."""
    assert "1 passed" in pytest_in(test_bare=BARE)
