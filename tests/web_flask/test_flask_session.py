"""`flask.session`: code that was written for Flask runs unchanged."""

import datetime as dt
import decimal
import traceback
import uuid

import flask
import msgspec
import pytest
from flask import flash, get_flashed_messages, jsonify
from markupsafe import Markup

from holdfast.errors import NotSerializable
from holdfast.testing import client, csrf, sign_in
from holdfast.web import flask as holdfast

VALUES = {
    "text": "naïve 🦦",
    "number": 3,
    "real": 1.5,
    "flag": True,
    "nothing": None,
    "list": [1, [2, {"three": 3}]],
    "dict": {"a": {"b": "c"}},
    "looks tagged": {" t": [1]},
    "moment": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
    "uuid": uuid.UUID("12345678123456781234567812345678"),
    "tuple": (1, (2, "x")),
    "bytes": b"\x00\xff",
    "markup": Markup("<b>bold</b>"),
    "mixed": [(1, b"2"), {"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}],
}


def visit(app, browser, *steps, method="GET"):
    """Run each step, a function of `flask.session`, in a request of its own; what the last returned."""
    waiting, results = list(steps), []

    def view():
        results.append(waiting.pop(0)(flask.session))
        return "done"

    if "visit" not in app.view_functions:
        app.add_url_rule("/visit", "visit", methods=["GET", "POST"])
    app.view_functions["visit"] = view
    while waiting:
        headers = csrf(browser) if method == "POST" else {}
        answer = browser.open("/visit", method=method, headers=headers)
        assert answer.status_code == 200, answer.text
    return results[-1]


@pytest.fixture
def run(app, browser):
    return lambda *steps, **options: visit(app, browser, *steps, **options)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_comes_back_as_it_was(run, value):
    """Tagged or plain, a value has its type and content in the next request."""

    def put(session):
        session["key"] = value

    back = run(put, lambda session: session["key"])
    assert back == value
    assert type(back) is type(value)


def test_values_are_kept_as_flask_itself_would_keep_them(run):
    """What Flask's JSON provider turns into text or numbers is accepted and turned likewise."""

    def put(session):
        session["price"] = decimal.Decimal("9.90")
        session["counts"] = {1: "one"}

    assert run(put, dict) == {"price": "9.90", "counts": {"1": "one"}}


def test_what_contains_itself_is_refused_in_few_words(run, caplog):
    """Flask's serialiser recurses; nobody wants its thousands of frames in the log."""

    def put(session):
        endless = []
        endless.append(endless)
        with pytest.raises(NotSerializable, match="contains itself") as caught:
            session["key"] = endless
        return "".join(traceback.format_exception(caught.value))

    assert len(run(put).splitlines()) < 60


def test_plain_values_are_plain_in_the_record(run, parts):
    """A service in another framework reads them without knowing Flask's tags."""

    def put(session):
        session["cart"] = {"items": [1, 2]}
        session["name"] = "Ada"

    run(put)
    (record,) = parts.blocking_store.page().records
    assert msgspec.json.decode(record.data) == {"cart": {"items": [1, 2]}, "name": "Ada"}


def test_nested_values_may_be_changed_in_place(run):
    """Also behind a tag, and also after the assignment."""

    def begin(session):
        session["cart"] = cart = {"items": []}
        cart["items"].append("after the assignment")
        session["pair"] = ([], 1)

    def change(session):
        session["cart"]["items"].append("in place")
        session["pair"][0].append("in a tuple")

    run(begin, change)
    expected = {"cart": {"items": ["after the assignment", "in place"]}}
    assert run(dict) == expected | {"pair": (["in a tuple"], 1)}


def test_the_methods_of_a_dict(run):
    """pop, setdefault, update, `in`, len, del, get, items: all of them."""

    def use(session):
        session.update(a=1, b=2, c=3)
        assert session.setdefault("a", 9) == 1
        assert session.setdefault("d", [4]) == [4]
        assert session.pop("b") == 2
        assert session.pop("b", "gone") == "gone"
        del session["c"]
        assert "c" not in session
        assert session.get("c") is None
        with pytest.raises(KeyError):
            session["c"]
        assert sorted(session.items()) == [("a", 1), ("d", [4])]
        assert len(session) == 2
        assert session

    run(use)
    assert run(dict) == {"a": 1, "d": [4]}


def test_what_only_a_dict_has(run):
    """Flask's own session is one: copies, `|` and `|=` are found in code that was written for it."""

    def use(session):
        session |= {"a": 1, "list": [1]}
        copied = session.copy()
        copied["b"] = 2
        assert type(copied) is dict
        assert session | {"c": 3} == {"a": 1, "list": [1], "c": 3}
        assert {"a": 0} | session == session == {"a": 1, "list": [1]}

    run(use)
    assert run(dict) == {"a": 1, "list": [1]}


def test_flags_of_a_flask_session(run):
    """`permanent`, `modified` and `new` are there for code that looks at or sets them."""

    def first(session):
        assert session.new
        assert not session.modified
        session.permanent = True
        assert session.modified
        session.modified = True

    def second(session):
        assert session.permanent
        assert not session.new
        assert not session.modified

    run(first, second)


def test_what_flask_is_told_of_sessions_is_not_passed_over_in_silence(app, browser, caplog):
    """Who shortens sessions in Flask's way must hear that it does nothing; once."""
    app.config.update(
        SESSION_COOKIE_SAMESITE="Lax", PERMANENT_SESSION_LIFETIME=60, SESSION_COOKIE_SECURE=True
    )
    app.add_url_rule("/", "here", lambda: "here")
    browser.get("/")
    browser.get("/")
    (line,) = [each.getMessage() for each in caplog.records if each.name == "holdfast"]
    assert "Flask's PERMANENT_SESSION_LIFETIME, SESSION_COOKIE_SAMESITE: not looked at" in line


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"SESSION_COOKIE_SAMESITE": "Strict", "SESSION_COOKIE_NAME": "__Host-session"},
        {"PERMANENT_SESSION_LIFETIME": dt.timedelta(hours=24), "SESSION_COOKIE_HTTPONLY": True},
    ],
)
def test_what_flask_is_told_and_holds_anyway_needs_no_word(app, browser, caplog, told):
    app.config.update(told)
    app.add_url_rule("/", "here", lambda: "here")
    browser.get("/")
    assert [each for each in caplog.records if each.name == "holdfast"] == []


def test_what_code_for_flask_session_asks_for(app, browser, run):
    """Its `sid`, and a new id after a sign-in; there it is the credential, here the secret is."""

    def regenerate(session):
        app.session_interface.regenerate(session)

    assert run(lambda session: session.sid) == ""
    run(regenerate)
    assert run(lambda session: session.sid) == ""

    run(lambda session: session.update(_user_id="ada"), method="POST")
    before = browser.get_cookie("__Host-session").value
    id = run(lambda session: session.sid)
    assert id in before
    run(regenerate)
    after = browser.get_cookie("__Host-session").value
    assert run(lambda session: (session.sid, session["_user_id"])) == (id, "ada")
    assert before != after

    def sign_in_anew(session):
        session["_user_id"] = "bob"
        regenerate(flask.session)

    run(sign_in_anew, method="POST")
    assert run(lambda session: session["_user_id"]) == "bob"

    def leave(session):
        session.clear()
        regenerate(session)

    run(leave, method="POST")
    assert run(lambda session: session.get("_user_id")) is None


def test_flashed_messages_reach_the_next_page_once(run):
    """`flash` and `get_flashed_messages`, with categories."""

    def say(_session):
        flash("Saved", "info")
        flash(Markup("<b>!</b>"))

    said = run(say, lambda _session: get_flashed_messages(with_categories=True))
    assert said == [("info", "Saved"), ("message", Markup("<b>!</b>"))]
    assert run(lambda _session: get_flashed_messages()) == []


def test_a_message_survives_the_log_out_before_it(app, browser, run):
    """`logout_user(); flash("Bye")` and the other way round are in every Flask application."""
    for first_flash in (True, False):
        sign_in(browser, subject="ada")

        def leave(session, first_flash=first_flash):
            if first_flash:
                flash("Bye")
            session.pop("_user_id")
            if not first_flash:
                flash("Bye")

        run(leave, method="POST")
        assert run(lambda session: (session.get("_user_id"), get_flashed_messages())) == (
            None,
            ["Bye"],
        )


def test_setting_the_subject_key_signs_in_under_a_new_id(run, browser, parts):
    """The fixation defence: the cookie from before the sign-in is worth nothing (P4)."""

    def note(session):
        session["basket"] = [1]

    run(note)
    before = browser.get_cookie("__Host-session").value
    run(lambda session: session.update(_user_id="ada"), method="POST")
    after = browser.get_cookie("__Host-session").value
    assert before.split(".")[1] != after.split(".")[1]
    assert run(dict) == {"_user_id": "ada", "basket": [1]}
    (record,) = parts.blocking_store.page().records
    assert record.subject == "ada"
    browser.set_cookie("__Host-session", before, domain="localhost")
    assert run(dict) == {}


def test_changing_the_subject_key_leaves_the_first_ones_data_behind(run):
    """Another person gets a new, empty session."""
    run(lambda session: session.update(_user_id="ada", secret="hers"), method="POST")
    run(lambda session: session.update(_user_id="bob"), method="POST")
    assert run(dict) == {"_user_id": "bob"}


@pytest.mark.parametrize("subject", [5, uuid.UUID(int=7)])
def test_a_subject_keeps_its_type(run, subject):
    """`session["user_id"] = user.id` gives the same type back, as a comparison expects."""
    run(lambda session: session.update(_user_id=subject), method="POST")
    assert run(lambda session: session["_user_id"]) == subject


def test_the_subject_is_what_is_signed_in_and_not_what_the_data_say(app, browser, run):
    """Data cannot make anybody a user, and a sign-in from elsewhere counts here."""

    def forge(_session):
        holdfast.session["_user_id"] = "root"

    run(forge)
    assert run(lambda session: "_user_id" in session) is False
    sign_in(browser, subject=5)
    assert run(lambda session: session["_user_id"]) == "5"
    run(forge)
    assert run(lambda session: session["_user_id"]) == "5"


@pytest.mark.parametrize(
    "leave",
    [
        lambda session: session.pop("_user_id"),
        lambda session: session.clear(),
        lambda session: session.update(_user_id=None),
        lambda _session: holdfast.session.sign_out(),
    ],
    ids=["pop", "clear", "none", "sign_out"],
)
def test_removing_the_subject_signs_out(run, browser, parts, leave):
    """The record is gone, the cookie too, and so is the data."""
    run(lambda session: session.update(_user_id="ada", cart=[1]), method="POST")
    run(leave, method="POST")
    assert parts.blocking_store.page().records == ()
    assert browser.get_cookie("__Host-session") is None
    assert run(dict) == {}


def test_the_tutorials_login_clears_and_sets(run, parts):
    """`session.clear(); session["_user_id"] = id`, also over another person's session."""

    def login(name):
        def step(session):
            session.clear()
            session["_user_id"] = name

        return step

    run(login("ada"), login("bob"), method="POST")
    assert run(dict) == {"_user_id": "bob"}
    assert [record.subject for record in parts.blocking_store.page().records] == ["bob"]


def test_another_subject_key_can_be_chosen(parts, clock):
    """`subject_key` names the key of an application that does without Flask-Login."""
    app = flask.Flask("other")
    holdfast.Holdfast(app, assembly=parts, subject_key="user")
    browser = client(app)
    visit(app, browser, lambda session: session.update(user=7, _user_id="x"))
    assert visit(app, browser, lambda _session: holdfast.session.subject) == "7"


def test_both_views_are_one_session(run):
    """`holdfast.session` and `flask.session` see each other's changes at once, and both are kept."""

    def use(session):
        session["a"] = {"by": "flask"}
        assert holdfast.session["a"] == {"by": "flask"}
        holdfast.session["b"] = [1]
        assert session["b"] == [1]
        holdfast.session["b"] = [1, 2]

    run(use)
    assert run(dict) == {"a": {"by": "flask"}, "b": [1, 2]}


def test_the_last_request_wins_a_key(app, browser, parts):
    """Code that cannot know of conflicts gets none; another key of the same session is kept."""
    sign_in(browser, subject="ada", role="x")
    others = []

    def meanwhile(session):
        session["mine"] = session.get("both", 0)
        if not others:
            others.append(visit_other())
        session["both"] = "first"

    def visit_other():
        device = client(app)
        device.set_cookie("__Host-session", browser.get_cookie("__Host-session").value)
        return device.get("/other").status_code

    @app.get("/other")
    def other():
        flask.session["both"] = "second"
        flask.session["theirs"] = True
        return "done"

    visit(app, browser, meanwhile)
    kept = visit(app, browser, dict)
    assert others == [200]
    assert kept == {"_user_id": "ada", "mine": 0, "both": "first", "theirs": True}


def test_a_conflict_of_holdfasts_own_view_is_409(app, browser):
    """Who writes `holdfast.session` is told when another request was faster."""
    sign_in(browser, subject="ada")

    @app.get("/slow")
    def slow():
        seen = holdfast.session.get("n", 0)
        device = client(app)
        device.set_cookie("__Host-session", browser.get_cookie("__Host-session").value)
        device.get("/fast")
        holdfast.session["n"] = seen + 1
        return "never seen"

    @app.get("/fast")
    def fast():
        holdfast.session["n"] = 100
        return "done"

    answer = browser.get("/slow")
    assert (answer.status_code, answer.json["code"]) == (409, "conflict")


def test_a_page_that_looks_at_no_session_costs_no_read(app, browser, parts, monkeypatch):
    """Lazily: neither store nor `Vary` nor `Cache-Control` for a page that never asks."""
    sign_in(browser, subject="ada")
    reads = []
    get = parts.blocking_store.get
    monkeypatch.setattr(
        parts.blocking_store, "get", lambda *a, **k: reads.append(a) or get(*a, **k)
    )

    @app.get("/static-page")
    def page():
        return "the same for everybody"

    @app.get("/name")
    def name():
        return jsonify(flask.session.get("_user_id"))

    answer = browser.get("/static-page")
    assert (reads, answer.vary.to_header(), answer.cache_control.no_store) == ([], "", False)
    answer = browser.get("/name")
    assert (len(reads), answer.json) == (1, "ada")
    assert (answer.vary.to_header(), answer.cache_control.no_store) == ("Cookie", True)


def test_the_session_transaction_of_flasks_test_client(app, browser, run):
    """Tests that were written for Flask's own sessions run, too."""
    with browser.session_transaction() as session:
        session["cart"] = [(1, 2)]
        session["_user_id"] = "ada"
    assert run(dict) == {"_user_id": "ada", "cart": [(1, 2)]}
    with browser.session_transaction() as session:
        session.pop("_user_id")
    assert run(dict) == {}


def test_a_request_context_without_a_server(app):
    """`test_request_context` has an empty session that takes values."""
    with app.test_request_context("/", base_url="https://localhost"):
        assert not flask.session
        flask.session["a"] = 1
        assert flask.session["a"] == 1
        assert holdfast.csrf_token()
