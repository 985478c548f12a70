"""The WSGI wrapper: what is asked of a session is carried out before the first byte, or the answer says not."""

import logging
from contextlib import nullcontext

import flask
import pytest
from flask import Flask, abort, stream_with_context
from werkzeug.test import EnvironBuilder

from holdfast.chain import Refusal
from holdfast.errors import SessionClosed, StoreUnavailable
from holdfast.testing import client, csrf, sign_in
from holdfast.web import flask as holdfast


def break_store(monkeypatch, parts, *verbs):
    def away(*_args, **_kwargs):
        raise StoreUnavailable("the store is away")

    for verb in verbs:
        monkeypatch.setattr(parts.blocking_store, verb, away)


def test_a_sign_in_sets_the_cookie_and_no_cache_keeps_the_answer(app, browser):
    @app.post("/login")
    def login():
        holdfast.session.sign_in("ada", role="admin")
        return {"success": True}

    answer = browser.post("/login", json={})
    assert answer.status_code == 200
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-session=1.")
    assert cookie.endswith("; Max-Age=86400; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Cookie", "no-store")


def test_a_streaming_answer_is_committed_before_its_first_byte(app, browser, parts):
    """The headers carry the cookie while the body is still to come."""

    @app.get("/stream")
    def stream():
        flask.session["seen"] = True

        def body():
            yield f"{len(parts.blocking_store.page().records)} saved, "
            yield flask.session["seen"] and "still readable"

        return stream_with_context(body())

    answer = browser.get("/stream")
    assert answer.text == "1 saved, still readable"
    assert "__Host-session=1." in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "write",
    [
        lambda: flask.session.update(late=1),
        lambda: holdfast.session.update(late=1),
        lambda: holdfast.session.sign_in("ada"),
        lambda: holdfast.session.sign_out(),  # noqa: PLW0108 - there is a session only in a request
    ],
)
@pytest.mark.parametrize("touched", [True, False])
def test_a_write_after_the_answer_began_says_what_to_do(app, browser, write, touched):
    """Whether the session was looked at before or not."""
    raised = []

    @app.get("/stream")
    def stream():
        if touched:
            assert flask.session.get("x") is None

        def body():
            yield "begun"
            try:
                write()
            except SessionClosed as error:
                raised.append(str(error))

        return stream_with_context(body())

    assert browser.get("/stream").text == "begun"
    assert raised == ["the answer has begun; change the session before the first byte is sent"]


def test_an_application_that_starts_late_is_committed_too(app, browser):
    """A WSGI application may call `start_response` when its first chunk is asked for."""
    inner = app.wsgi_app._app

    def lazily(environ, start_response):
        yield from inner(environ, start_response)

    app.wsgi_app._app = lazily

    @app.get("/write")
    def write():
        flask.session["a"] = 1
        return "written"

    answer = browser.get("/write")
    assert (answer.text, "Set-Cookie" in answer.headers) == ("written", True)


@pytest.mark.parametrize(
    ("value", "code", "advice"),
    [
        ("x" * 1_000_000, "data_too_large", "Settings.data_limit"),
        (object(), "data_not_serializable", "store plain values"),
        (float("nan"), "data_not_serializable", "store plain JSON values"),
        ([object()], "data_not_serializable", "store plain values"),
    ],
)
@pytest.mark.parametrize("how", ["flask", "holdfast"])
def test_what_cannot_be_stored_is_a_500_that_says_what_to_do(
    app, browser, parts, caplog, value, code, advice, how
):
    """The client gets a code, the log the advice, and the store nothing."""

    @app.get("/store")
    def store():
        session = flask.session if how == "flask" else holdfast.session
        session["it"] = value
        return "never seen"

    with caplog.at_level(logging.ERROR, "holdfast"):
        answer = browser.get("/store")
    assert (answer.status_code, answer.json) == (
        500,
        {"error": "Internal server error", "code": code},
    )
    assert advice.removeprefix("store plain ") in caplog.text
    assert parts.blocking_store.page().records == ()
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_store_that_is_away_is_503_and_the_cookie_stays(app, browser, parts, monkeypatch, method):
    """That it "cannot know" is not "not signed in" (P20)."""
    sign_in(browser, subject="ada")
    headers = csrf(browser)

    @app.route("/me", methods=["GET", "POST"])
    @holdfast.require
    def me():
        return "never seen"

    break_store(monkeypatch, parts, "get")
    answer = browser.open("/me", method=method, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "Set-Cookie" not in answer.headers
    monkeypatch.undo()
    assert browser.open("/me", method="GET").status_code == 200


def test_a_store_that_dies_during_the_request_is_503(app, browser, parts, monkeypatch):
    """The handler was done, its work could not be saved, so its answer does not go out."""
    sign_in(browser, subject="ada")

    @app.get("/count")
    def count():
        flask.session["n"] = 1
        break_store(monkeypatch, parts, "get", "update", "insert")
        return "never seen"

    answer = browser.get("/count")
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    assert "Set-Cookie" not in answer.headers


def test_an_outage_that_the_application_swallowed_is_503_all_the_same(
    app, browser, parts, monkeypatch
):
    """No page may tell somebody who is signed in that nobody is."""
    sign_in(browser, subject="ada")

    @app.get("/swallow")
    def swallow():
        try:
            return f"hello {flask.session['_user_id']}"
        except Exception:
            return "hello stranger"

    break_store(monkeypatch, parts, "get")
    assert browser.get("/swallow").status_code == 503


def test_a_log_out_that_is_not_proved_clears_the_client_and_says_so(
    app, browser, parts, monkeypatch
):
    """The store failed at the deletion: 503, and the browser forgets the cookie (§7)."""
    sign_in(browser, subject="ada")

    @app.post("/logout")
    def logout():
        flask.session.pop("_user_id")
        flask.flash("Bye")
        return "never seen"

    headers = csrf(browser)
    break_store(monkeypatch, parts, "delete")
    answer = browser.post("/logout", headers=headers)
    assert answer.status_code == 503
    assert "__Host-session=;" in answer.headers["Set-Cookie"]


def test_after_a_server_error_nothing_is_kept(app, browser, parts):
    """Half-done work is not saved, by a crash or by `abort(500)`."""

    @app.get("/crash")
    def crash():
        flask.session["half"] = "done"
        return 1 / 0

    @app.get("/abort")
    def give_up():
        flask.session["half"] = "done"
        abort(500)

    assert [browser.get(path).status_code for path in ("/crash", "/abort")] == [500, 500]
    assert parts.blocking_store.page().records == ()


@pytest.mark.parametrize("propagates", [True, False])
def test_a_sign_out_is_carried_out_though_its_view_breaks(app, browser, parts, propagates):
    """Also where Flask answers nothing: in its debugger and in tests, exceptions go through."""
    app.testing = propagates

    @app.post("/logout")
    def logout():
        flask.session["half"] = "done"
        holdfast.session.sign_out()
        return 1 / 0

    sign_in(browser, subject="ada")
    headers = csrf(browser)
    with pytest.raises(ZeroDivisionError) if propagates else nullcontext():
        assert browser.post("/logout", headers=headers).status_code == 500
    assert parts.blocking_store.page().records == ()


@pytest.fixture
def noting(app):
    @app.get("/mine")
    @holdfast.require
    def mine():
        return "never seen"

    @app.before_request
    def note():
        flask.session["next"] = flask.request.path

    return app


def test_a_refusal_keeps_nothing(noting, browser, parts):
    """As under ASGI: what was raised keeps nothing."""
    assert browser.get("/mine").status_code == 401
    assert parts.blocking_store.page().records == ()


def test_a_refusal_is_not_about_what_was_left_in_the_session(app, browser):
    """Nothing of it is kept, so it does not matter that it could not be."""

    @app.get("/half")
    def half():
        flask.session["list"] = things = []
        things.append(object())
        return holdfast.require(lambda: "never seen")()

    assert browser.get("/half").status_code == 401


def test_a_refusal_that_the_application_answers_keeps_what_was_done(noting, browser, parts):
    """A handler of its own turns 401 into a page, which comes with a session as any other."""

    @noting.errorhandler(Refusal)
    def to_the_login(_refusal):
        return flask.redirect("/login")

    assert browser.get("/mine").headers["Location"] == "/login"
    assert len(parts.blocking_store.page().records) == 1


def test_a_blueprints_catch_all_lets_no_stranger_in(app, browser):
    """Where Flask gives the refusal to somebody else's handler, the view still does not run."""
    blueprint = flask.Blueprint("b", __name__)

    @blueprint.get("/mine")
    @holdfast.require
    def mine():
        return "never seen"

    @blueprint.errorhandler(Exception)
    def anything(_error):
        return "oops", 418

    app.register_blueprint(blueprint)
    assert browser.get("/mine").status_code == 418


def test_the_session_that_another_request_ended_is_not_revived(app, browser, parts):
    """A log-out elsewhere, while this request runs, wins: 401 and no record (P1)."""
    session = sign_in(browser, subject="ada")

    @app.get("/slow")
    def slow():
        assert flask.session["_user_id"] == "ada"
        parts.blocking.revoke(session.id)
        flask.session["late"] = True
        return "never seen"

    answer = browser.get("/slow")
    assert (answer.status_code, answer.json["code"]) == (401, "session_ended")
    assert parts.blocking_store.page().records == ()


def test_head_is_refused_without_a_body(app, browser):
    @app.get("/mine")
    @holdfast.require
    def mine():
        return "never seen"

    answer = browser.head("/mine")
    assert (answer.status_code, answer.data) == (401, b"")


def test_what_is_answered_in_place_of_the_application_has_no_body_for_head(app):
    """Servers of WSGI send what they are given, and a client would take it for the next answer."""
    environ = EnvironBuilder("/", "http://shop.example", method="HEAD").get_environ()
    begun = []
    body = app.wsgi_app(environ, lambda status, headers: begun.append((status, dict(headers))))
    assert list(body) == []
    ((status, headers),) = begun
    assert status == "403 Forbidden"
    assert int(headers["Content-Length"]) > 0


def test_plain_http_from_elsewhere_is_refused_before_the_application(app):
    @app.get("/")
    def home():
        raise AssertionError("must not run")

    away = {"base_url": "http://shop.example", "environ_base": {"REMOTE_ADDR": "192.0.2.1"}}
    answer = app.test_client().get("/", **away)
    assert (answer.status_code, answer.json["code"]) == (403, "https_required")


def test_excluded_paths_have_no_session_but_run(parts, clock, monkeypatch):
    """Flask extensions look at `flask.session` on every page; they see an empty one that takes nothing."""
    from dataclasses import replace

    from holdfast.assembly import assemble

    excluding = assemble(
        replace(parts.settings, exclude_paths=("/hook",)), keys=parts.keys, store="memory://"
    )
    app = Flask("hooks")
    holdfast.Holdfast(app, assembly=excluding)
    raised = []

    @app.post("/hook")
    def hook():
        assert flask.session.get("_user_id") is None
        for write in (lambda: flask.session.update(a=1), lambda: holdfast.session.subject):
            try:
                write()
            except Exception as error:
                raised.append(type(error).__name__)
        return "done"

    browser = client(app)
    sign_in(browser, subject="ada")
    answer = browser.post("/hook", data="x")
    assert (answer.text, raised) == ("done", ["SessionClosed", "UsageError"])
    assert "Set-Cookie" not in answer.headers
    excluding.close()


def test_without_holdfast_the_message_says_what_is_missing():
    app = Flask("bare")
    with app.test_request_context(), pytest.raises(Exception, match="Holdfast\\(app\\)"):
        holdfast.csrf_token()
