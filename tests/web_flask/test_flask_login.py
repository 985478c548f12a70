"""Flask-Login on top of `flask.session`: its users keep their code, and get what Holdfast promises."""

import re
from datetime import timedelta

import flask
import pytest
from flask_login import (
    LoginManager,
    UserMixin,
    confirm_login,
    current_user,
    fresh_login_required,
    login_fresh,
    login_required,
    login_user,
    logout_user,
)

from holdfast.settings import Limits, Settings
from holdfast.testing import client, csrf, sign_in
from holdfast.web import flask as holdfast

DAY = 24 * 3_600_000


class User(UserMixin):
    def __init__(self, id):
        self.id = id


@pytest.fixture
def settings():
    """A warning is due for a cookie that is shorter than its policy; here nobody waits so long."""
    return Settings(
        policies={"remember": Limits(idle=timedelta(days=14), absolute=timedelta(days=30))}
    )


@pytest.fixture(params=["basic", "strong", None])
def app(request, app):
    manager = LoginManager(app)
    manager.session_protection = request.param
    manager.user_loader(lambda text: User(int(text)) if text in {"1", "2"} else None)

    @app.post("/login/<int:id>")
    def login(id):
        login_user(User(id))
        return {"fresh": login_fresh()}

    @app.get("/me")
    @login_required
    def me():
        return {"id": current_user.id, "subject": holdfast.session.subject}

    @app.get("/fresh")
    @fresh_login_required
    def fresh():
        return "fresh"

    @app.post("/confirm")
    @login_required
    def confirm():
        confirm_login()
        return "confirmed"

    @app.post("/logout")
    @login_required
    def logout():
        logout_user()
        flask.flash("Bye")
        return "bye"

    @app.get("/guarded")
    @holdfast.require
    def guarded():
        return {"id": current_user.id}

    return app


def login(browser, id=1):
    answer = browser.post(f"/login/{id}", json={})
    assert answer.json == {"fresh": True}, answer.text
    return browser.get_cookie("__Host-session").value


def test_login_user_signs_in_under_a_new_id(browser, parts):
    """The subject is Flask-Login's user id, and both kinds of guard let the person in."""
    with browser.session_transaction() as session:
        session["basket"] = [1]
    before = browser.get_cookie("__Host-session").value
    browser.post("/login/1", headers=csrf(browser))
    after = browser.get_cookie("__Host-session").value
    assert before.split(".")[1] != after.split(".")[1]
    assert browser.get("/me").json == {"id": 1, "subject": "1"}
    assert browser.get("/guarded").json == {"id": 1}
    assert [record.subject for record in parts.blocking_store.page().records] == ["1"]
    browser.set_cookie("__Host-session", before, domain="localhost")
    assert browser.get("/me").status_code == 401


def test_logout_user_ends_the_session_on_the_server(browser, app, parts):
    """A copied cookie is worthless afterwards; with Flask's own sessions it would go on."""
    cookie = login(browser)
    browser.post("/logout", headers=csrf(browser))
    thief = client(app)
    thief.set_cookie("__Host-session", cookie, domain="localhost")
    assert thief.get("/me").status_code == 401
    assert [record.subject for record in parts.blocking_store.page().records] == [None]


def test_every_session_of_a_user_can_be_ended(browser, app):
    """Flask-Login itself has no such thing."""
    phone = client(app)
    login(browser)
    login(phone)
    assert app.extensions["holdfast"].sessions.revoke_all(1) == 2
    assert browser.get("/me").status_code == phone.get("/me").status_code == 401


def test_another_user_gets_another_session(browser, parts):
    """Signing in over somebody takes nothing of theirs along."""
    login(browser, 1)
    with browser.session_transaction() as session:
        session["secret"] = "hers"
    browser.post("/login/2", headers=csrf(browser))
    assert browser.get("/me").json["id"] == 2
    with browser.session_transaction() as session:
        assert "secret" not in session
    assert [record.subject for record in parts.blocking_store.page().records] == ["2"]


def test_freshness_of_both_kinds(browser, app):
    """Flask-Login's own flag works, and can be renewed."""
    login(browser)
    assert browser.get("/fresh").status_code == 200
    with browser.session_transaction() as session:
        session["_fresh"] = False
    assert browser.get("/fresh").status_code == 401
    browser.post("/confirm", headers=csrf(browser))
    assert browser.get("/fresh").status_code == 200


def test_a_user_who_is_gone_is_nobody(browser):
    """The loader says None: Flask-Login refuses, whatever the session says."""
    sign_in(browser, subject=3)
    assert browser.get("/me").status_code == 401


def test_a_test_may_sign_in_for_flask_login(browser, app):
    """`holdfast.testing.sign_in` is enough: the subject is the user id.

    Strong protection wants the mark that only `login_user` leaves.
    """
    sign_in(browser, subject=2)
    strong = app.login_manager.session_protection == "strong"
    assert browser.get("/me").json == (None if strong else {"id": 2, "subject": "2"})


def test_expiry_is_the_servers(browser, clock):
    """A cookie that is kept longer than allowed signs nobody in."""
    login(browser)
    clock.advance(2 * DAY)
    assert browser.get("/me").status_code == 401


def test_a_changed_address_under_strong_protection_signs_out(browser, app, parts):
    """Flask-Login's own rule, which pops the user id: then the session ends on the server too."""
    manager = app.login_manager
    login(browser)
    answer = browser.get("/me", headers={"User-Agent": "somebody else"})
    expected = {"strong": 401, "basic": 200, None: 200}[manager.session_protection]
    assert answer.status_code == expected
    subjects = [record.subject for record in parts.blocking_store.page().records]
    assert ("1" in subjects) == (expected == 200)


def test_staying_signed_in_by_a_policy(app, browser, parts):
    """Limits by name on top of `login_user`, in place of Flask-Login's own cookie."""

    @app.post("/keep")
    def keep():
        user = User(1)
        login_user(user)
        holdfast.session.sign_in(user.get_id(), policy="remember")
        return "kept"

    assert browser.post("/keep", json={}).text == "kept"
    [record] = parts.blocking_store.page().records
    assert (record.subject, record.policy.name) == ("1", "remember")
    assert browser.get("/fresh").text == "fresh"
    browser.post("/logout", headers=csrf(browser))
    assert browser.get("/me").status_code == 401


@pytest.fixture
def paged(app):
    """Pages with a form, also one that signs in and shows the next form at once."""
    app.secret_key = "of Flask-Login's remember cookie"
    form = "{{ csrf_field() }}"

    @app.get("/remember")
    def remember():
        login_user(User(1), remember=True)
        return "remembered"

    @app.get("/page")
    @login_required
    def page():
        flask.session["seen"] = [*flask.session.get("seen", []), current_user.id]
        shown = flask.render_template_string(form)
        flask.session["seen"].append("later")
        return shown

    @app.get("/seen")
    def seen():
        return {"seen": flask.session.get("seen")}

    @app.post("/welcome")
    def welcome():
        login_user(User(2))
        if "regenerate" in flask.request.args:
            app.session_interface.regenerate(flask.session)
        return flask.render_template_string(form)

    return client(app)


def token_in(answer):
    return re.search(r'value="([^"]+)"', answer.text)[1]


def test_a_remember_cookie_signs_in_while_a_page_is_made(app, paged):
    """Those of an application that has moved in are still about; the page has a form, as pages do."""
    paged.get("/remember")
    paged.delete_cookie("__Host-session")
    answer = paged.get("/page")
    assert answer.status_code == 200
    if app.login_manager.session_protection == "strong":
        return  # Flask-Login itself drops such a session at its next request
    assert paged.get("/me").json == {"id": 1, "subject": "1"}
    assert paged.get("/seen").json == {"seen": [1, "later"]}
    proof = {"csrf_token": token_in(answer)}
    assert paged.post("/confirm", data=proof).text == "confirmed"


@pytest.mark.parametrize("path", ["/welcome", "/welcome?regenerate"])
def test_a_page_right_after_the_sign_in(paged, path):
    """Not redirected to, as many applications do it: its form passes."""
    answer = paged.post(path, json={})
    proof = {"csrf_token": token_in(answer)}
    assert paged.post("/confirm", data=proof).text == "confirmed"
    renewed = paged.post("/welcome?regenerate", data=proof)
    assert paged.post("/confirm", data={"csrf_token": token_in(renewed)}).text == "confirmed"


def test_a_foreign_form_signs_nobody_in_by_such_a_page(paged, parts):
    """The sign-in was carried out for the token, and is taken back (R82)."""
    answer = paged.post("/welcome", data={"name": "eve"})
    assert (answer.status_code, answer.json["code"]) == (403, "csrf_failed")
    assert paged.get_cookie("__Host-session") is None
    assert list(parts.blocking_store.page().records) == []
