"""Guards of views, and CSRF from template to body."""

import io
import re
from datetime import timedelta

import pytest
from flask import Blueprint, render_template_string, request

from holdfast.errors import HoldfastError, UsageError
from holdfast.testing import csrf, csrf_form, sign_in
from holdfast.web import flask as holdfast

FORM = '<form method="post">{{ csrf_field() }}<input name="item"></form>'


@pytest.fixture
def guarded(app):
    @app.get("/me")
    @holdfast.require
    def me():
        return {"user": holdfast.session.subject}

    @app.get("/fresh")
    @holdfast.require_fresh(timedelta(minutes=5))
    def fresh():
        return "fresh"

    @app.get("/admin")
    @holdfast.require_role("admin")
    def admin():
        return "admin"

    @app.get("/tokens")
    def tokens():
        holdfast_app = app.extensions["holdfast"]
        return holdfast_app.sessions.issue_tokens(holdfast.session).as_dict()

    return app


@pytest.fixture
def forms(app):
    @app.get("/form")
    def form():
        return render_template_string(FORM)

    @app.post("/form")
    @holdfast.require_csrf
    def sent():
        uploads = {name: file.read().decode() for name, file in request.files.items()}
        return {**request.form.to_dict(), **uploads}

    @app.post("/raw")
    def raw():
        return {"length": len(request.get_data())}

    return app


def test_a_stranger_gets_401_and_no_reason(guarded, browser):
    answer = browser.get("/me")
    assert (answer.status_code, answer.json) == (
        401,
        {"error": "Unauthorized", "code": "unauthenticated"},
    )
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="holdfast"'


def test_cookie_and_bearer_pass_the_same_guard(guarded, browser):
    sign_in(browser, subject="ada")
    assert browser.get("/me").json == {"user": "ada"}
    token = browser.get("/tokens").json["access_token"]
    stranger = guarded.test_client()
    answer = stranger.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.json == {"user": "ada"}
    assert "Set-Cookie" not in answer.headers


def test_a_bad_bearer_token_is_not_helped_by_a_good_cookie(guarded, browser):
    sign_in(browser, subject="ada")
    answer = browser.get("/me", headers={"Authorization": "Bearer no.such.token"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_fresh_means_lately_signed_in(guarded, browser, clock):
    sign_in(browser, subject="ada")
    assert browser.get("/fresh").status_code == 200
    clock.advance(5 * 60_000 + 1)
    answer = browser.get("/fresh")
    assert (answer.status_code, answer.json["code"]) == (401, "reauthentication_required")
    assert browser.get("/me").status_code == 200


def test_signed_in_is_a_session_and_a_guard(app, browser):
    """A view that forgot its guard refuses all the same."""
    app.get("/mine")(lambda: holdfast.signed_in.subject)
    refused = browser.get("/mine")
    assert (refused.status_code, refused.json["code"]) == (401, "unauthenticated")
    sign_in(browser, subject="ada")
    assert browser.get("/mine").text == "ada"


def test_roles(guarded, browser):
    sign_in(browser, subject="ada", role="user")
    assert browser.get("/admin").status_code == 403
    sign_in(browser, subject="ada", role=["user", "admin"])
    assert browser.get("/admin").status_code == 200


def test_a_guard_keeps_the_views_name_and_serves_coroutines(app, browser):
    @app.get("/later")
    @holdfast.require
    async def later():
        """Come back."""
        return "now"

    assert (later.__name__, later.__doc__) == ("later", "Come back.")
    sign_in(browser, subject="ada")
    assert browser.get("/later").text == "now"


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("multipart", [True, False])
def test_the_field_of_the_template_lets_the_form_pass(forms, browser, signed_in, multipart):
    """Before there is a session as well as with one; the view reads the whole body afterwards."""
    if signed_in:
        sign_in(browser, subject="ada")
    page = browser.get("/form").text
    name, token = re.search(r'type="hidden" name="(.+?)" value="(.+?)"', page).groups()
    fields = {"item": "3", name: token}
    if multipart:
        fields["file"] = (io.BytesIO(b"content"), "f.txt")
    answer = browser.post("/form", data=fields)
    assert answer.status_code == 200
    assert answer.json["item"] == "3"
    assert answer.json.get("file", "content") == "content"


@pytest.mark.parametrize("token", [None, "", "c1", "x" * 88])
def test_a_form_without_a_valid_token_is_refused(forms, browser, token):
    sign_in(browser, subject="ada")
    fields = {"item": "3"} if token is None else {"item": "3", "csrf_token": token}
    answer = browser.post("/form", data=fields)
    assert (answer.status_code, answer.json["code"]) == (403, "csrf_failed")


def test_a_token_of_another_session_is_refused(forms, browser, app):
    sign_in(browser, subject="ada")
    foreign = csrf(browser)
    sign_in(browser, subject="bob")
    assert browser.post("/form", headers=foreign).status_code == 403


@pytest.mark.parametrize("length", [1, 70, 72])
def test_a_boundary_may_be_as_long_as_test_clients_make_it(forms, browser, length):
    """Flask's is 70 long in most runs and 72 in some; no test of an application may fail by chance."""
    sign_in(browser, subject="ada")
    ((name, token),) = csrf_form(browser).items()
    boundary = "x" * length
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    body = f"{head}{token}\r\n--{boundary}--\r\n"
    kind = f'multipart/form-data; boundary="{boundary}"'
    assert browser.post("/form", data=body, content_type=kind).status_code == 200


def test_a_large_form_is_replayed_in_full(forms, browser):
    """The token stands in the first 64 KiB; everything after it reaches the view."""
    sign_in(browser, subject="ada")
    token = csrf_form(browser)
    file = (io.BytesIO(b"y" * 300_000), "f.bin")
    answer = browser.post("/form", data={**token, "item": "z" * 200_000, "file": file})
    assert answer.status_code == 200
    assert len(answer.json["item"]) == 200_000
    assert len(answer.json["file"]) == 300_000


def test_a_token_beyond_the_first_64_kib_does_not_count(forms, browser):
    """What is buffered is bounded."""
    sign_in(browser, subject="ada")
    answer = browser.post("/form", data={"item": "z" * 70_000, **csrf_form(browser)})
    assert answer.status_code == 403


def test_a_body_that_is_no_form_is_not_read(forms, browser):
    """With the header there is nothing to look for, and nothing is buffered."""
    sign_in(browser, subject="ada")
    answer = browser.post("/raw", data=b"\x00" * 100_000, headers=csrf(browser))
    assert answer.json == {"length": 100_000}


def test_a_sign_in_by_a_foreign_form_is_refused(app, browser, parts):
    """Login CSRF (R82): neither a token nor a body that needs a preflight."""

    @app.post("/login")
    def login():
        holdfast.session.sign_in("mallory")
        return "never seen"

    assert browser.post("/login", data={"name": "mallory"}).status_code == 403
    assert parts.blocking_store.page().records == ()
    assert browser.post("/login", data={"name": "ada", **csrf_form(browser)}).status_code == 200


def test_the_reason_is_for_handlers_and_never_for_clients(app, guarded, browser, clock, events):
    """`session.reason` says why somebody was signed out; no answer does."""
    reasons = []

    @app.before_request
    def look():
        assert not holdfast.session
        reasons.append(holdfast.session.reason)

    sign_in(browser, subject="ada")
    clock.advance(30 * 24 * 3_600_000)
    answer = browser.get("/me")
    assert reasons in (["absolute"], ["idle"])
    said = answer.text + str(answer.headers)
    assert not any(word in said for word in ("idle", "absolute", "expired"))
    assert [event.reason for event in events if event.name == "session_expired"] == reasons


@pytest.mark.parametrize("repeated", [1, 2])
def test_a_guard_above_its_route_opens_nothing(app, browser, caplog, repeated):
    """Flask would call the bare view: refused at every request, and not only at the first."""

    @holdfast.require
    @holdfast.require_csrf
    @app.get("/open")
    def unguarded():
        """Reached by everybody."""
        return "open"

    for _ in range(repeated):
        answer = browser.get("/open")
        assert answer.status_code == 500
    assert "unguarded stands above its route: put it below @app.route" in caplog.text


@pytest.mark.parametrize("of_a_blueprint", [True, False])
def test_a_guard_above_what_runs_before_requests(app, browser, caplog, of_a_blueprint):
    """A guard for a whole blueprint, the wrong way round: its pages would be open to everybody."""
    pages = Blueprint("pages", __name__)
    pages.get("/pages")(lambda: "open")

    @holdfast.require
    @(pages if of_a_blueprint else app).before_request
    def everybody(): ...

    app.register_blueprint(pages)
    assert browser.get("/pages").status_code == 500
    assert "everybody stands above its route" in caplog.text


def test_a_guard_for_a_whole_blueprint(app, browser):
    pages = Blueprint("pages", __name__)
    pages.get("/pages")(lambda: "here")

    @pages.before_request
    @holdfast.require
    def everybody(): ...

    app.register_blueprint(pages)
    assert browser.get("/pages").status_code == 401
    sign_in(browser, subject="ada")
    assert browser.get("/pages").text == "here"


def test_an_error_handler_of_the_application_gets_what_a_refusal_says(app, guarded, browser):
    """Also one that knows nothing of refusals: code and status are those of the answer."""

    @app.errorhandler(HoldfastError)
    def page(error):
        return {"mine": error.code}, error.http_status

    assert (browser.get("/me").status_code, browser.get("/me").json) == (
        401,
        {"mine": "unauthenticated"},
    )


def test_a_token_before_a_sign_in_is_carried_out_says_what_to_do(app, browser, caplog):
    """It would be worth nothing a moment later."""
    engine = app.extensions["holdfast"].sessions

    @app.post("/login")
    def login():
        holdfast.session.sign_in("ada")
        if "first" in request.args:
            engine.commit(holdfast.session)
        return {"csrf": holdfast.csrf_token()}

    assert browser.post("/login", json={}).json["code"] == "usage_error"
    assert "sessions.commit(session)" in caplog.text
    token = browser.post("/login?first=1", json={}).json["csrf"]
    assert browser.post("/login", json={}).status_code == 403
    again = browser.post("/login?first=1", json={}, headers={"X-CSRF-Token": token})
    assert again.status_code == 200


def test_a_second_time_is_refused(app, parts):
    """Both would run, each with a store of its own, and one would hide the other."""
    with pytest.raises(UsageError, match="call it once"):
        holdfast.Holdfast(app, secret="not even looked at")


def test_a_view_with_guards_of_its_own_and_one_shared_by_two_routes(app, browser):
    """Right as they are: guards on guards, and a bare view beside its guarded self."""

    def shared():
        return "shared"

    guarded = holdfast.require(holdfast.require_csrf(shared))
    app.add_url_rule("/bare", "bare", shared)
    app.add_url_rule("/guarded", "guarded", guarded)
    assert browser.get("/bare").status_code == 200
    assert browser.get("/guarded").status_code == 401


def test_a_view_that_has_no_hash(app, browser):
    """An object that compares by value may be a view."""

    class View:
        __hash__ = None

        def __call__(self):
            return "here"

    app.add_url_rule("/object", "object", View())
    assert browser.get("/object").status_code == 200


@pytest.mark.parametrize("guard", [holdfast.require_role, holdfast.require_fresh])
def test_a_guard_that_was_not_told_what_it_requires(guard):
    """@require_role without its call."""
    with pytest.raises(UsageError, match=f"^{guard.__name__}: say what is required"):
        guard(lambda: "view")
