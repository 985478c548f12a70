"""`request.session`: code that was written for Django runs unchanged."""

import datetime as dt
import decimal

import msgspec
import pytest
from django.contrib import messages
from django.contrib.auth import get_user_model, user_logged_in
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse, StreamingHttpResponse

from holdfast.web import django as holdfast
from holdfast.web.django.sessions import SessionStore
from web_django.conftest import Browser, visited

COOKIE = "__Host-session"


def put(**values):
    return lambda request: request.session.update(values)


def everything(request):
    return dict(request.session)


# Data


@pytest.mark.parametrize(
    "value", ["naïve 🦦", 3, 1.5, True, None, [1, [2, {"three": 3}]], {"a": {"b": "c"}}]
)
def test_a_value_comes_back_as_it_was(run, value):
    """What JSON can hold has its type and content in the next request."""
    assert run(put(key=value), lambda request: request.session["key"]) == value


def test_values_are_kept_as_djangos_serializer_would_keep_them(run):
    """Tuples become lists and numbers as keys texts, as with Django's own back ends."""
    assert run(put(pair=(1, 2), counts={1: "one"}), everything) == {
        "pair": [1, 2],
        "counts": {"1": "one"},
    }


@pytest.mark.parametrize("value", [decimal.Decimal(1), dt.datetime.now(dt.UTC), object()])
def test_what_is_no_json_is_a_500_that_says_what_to_do(run, value, parts, caplog):
    """The advice is in the log, the client gets a code, and nothing is stored."""
    answer = run(put(key=value))
    assert (answer.status_code, answer.json()["code"]) == (500, "data_not_serializable")
    assert "store plain values" in caplog.text
    assert parts.records() == []


def test_nested_values_may_be_changed_in_place(run):
    """Without `modified = True`, which Django would need here; also after the assignment."""

    def begin(request):
        request.session["cart"] = cart = {"items": []}
        cart["items"].append("after the assignment")

    def change(request):
        request.session["cart"]["items"].append("in place")

    assert run(begin, change, everything) == {
        "cart": {"items": ["after the assignment", "in place"]}
    }


def test_the_methods_of_djangos_session(run):
    """All of the mapping, with Django's flags."""

    def use(request):
        session = request.session
        assert isinstance(session, SessionBase)
        assert (session.accessed, session.modified, session.is_empty()) == (False, False, True)
        session.update({"a": 1, "b": 2, "c": 3})
        assert (session.accessed, session.modified) == (True, True)
        assert session.setdefault("a", 9) == 1
        assert session.setdefault("d", [4]) == [4]
        assert session.pop("b") == 2
        assert session.pop("b", "gone") == "gone"
        with pytest.raises(KeyError):
            session.pop("b")
        del session["c"]
        assert "c" not in session
        assert not session.has_key("c")
        assert session.get("c") is None
        assert sorted(session.keys()) == ["a", "d"]
        assert sorted(session.items()) == [("a", 1), ("d", [4])]
        assert [1] in [[value] for value in session.values()]
        session.set_test_cookie()
        assert session.test_cookie_worked()
        session.delete_test_cookie()
        assert not session.is_empty()

    assert run(use, everything) == {"a": 1, "d": [4]}


def test_a_page_that_looks_at_no_session_costs_no_read(browser, run, parts):
    """Neither store nor `Vary` nor `Cache-Control`; messages, auth and CSRF do not look either."""
    run(put(a=1))
    parts.store.calls.clear()
    answer = browser.get("/open")
    assert (parts.store.calls, answer.headers.get("Vary"), "Cache-Control" in answer.headers) == (
        [],
        None,
        False,
    )
    answer = browser.get("/me")
    assert (parts.store.calls, answer.headers["Vary"]) == (["get"], "Cookie")
    assert answer.headers["Cache-Control"] == "no-store"


def test_nobody_gets_a_session_for_nothing(run, browser, parts):
    """An anonymous visitor has none before there is something to keep (P5)."""
    assert run(everything) == {}
    assert (parts.records(), dict(browser.cookies)) == ([], {})


def test_plain_values_are_plain_in_the_record(run, parts):
    """A service in another framework reads them without knowing Django."""
    run(put(cart={"items": [1, 2]}, name="Ada"))
    (record,) = parts.records()
    assert msgspec.json.decode(record.data) == {"cart": {"items": [1, 2]}, "name": "Ada"}


# Signing in and out


def login(user):
    from django.contrib.auth import login

    return lambda request: login(request, user, "django.contrib.auth.backends.ModelBackend")


def logout(request):
    from django.contrib.auth import logout

    logout(request)


def test_login_records_the_owner_under_a_new_id(run, browser, parts, ada):
    """The fixation defence: the cookie from before the sign-in is worth nothing; data came along (P4)."""
    run(put(basket=[1]))
    (before,) = parts.records()
    old = browser.cookies[COOKIE].value
    run(login(ada))
    (after,) = parts.records()
    assert (after.subject, after.id != before.id) == (str(ada.pk), True)
    assert run(lambda request: [request.user.username, request.session["basket"]]) == ["ada", [1]]
    browser.cookies[COOKIE] = old
    assert run(everything) == {}


def test_logout_ends_the_session(run, browser, parts, ada):
    """The record is gone, the cookie is cleared, and a copy of it is worth nothing."""
    run(login(ada))
    copy = browser.cookies[COOKIE].value
    answer = visited(browser, lambda request: logout(request) or HttpResponse(status=204))
    assert answer.cookies[COOKIE]["max-age"] == "0"
    assert answer.headers["Clear-Site-Data"] == '"storage"'
    assert parts.records() == []
    browser.cookies[COOKIE] = copy
    assert run(lambda request: request.user.is_authenticated) is False


@pytest.mark.parametrize(
    "leave",
    [
        lambda request: request.session.flush(),
        lambda request: request.session.clear(),
        lambda request: request.session.delete(),
        lambda request: request.session.pop("_auth_user_id"),
        lambda request: holdfast.session_of(request).sign_out(),
    ],
    ids=["flush", "clear", "delete", "pop", "sign_out"],
)
def test_removing_the_user_signs_out(run, parts, ada, leave):
    """Whichever way, and the data goes with its owner."""
    run(login(ada), put(secret="hers"))
    run(lambda request: leave(request) and None)
    assert parts.records() == []
    assert run(everything) == {}


def test_a_message_after_the_logout_reaches_the_next_page(run, ada):
    """It belongs to a session of nobody."""

    def leave(request):
        logout(request)
        request.session["bye"] = "see you"

    run(login(ada), put(secret="hers"), leave)
    assert run(everything) == {"bye": "see you"}


def test_messages_reach_the_next_page_once(run):
    """`contrib.messages` in the session."""

    def say(request):
        messages.success(request, "Saved")
        messages.error(request, "Or not")

    def hear(request):
        return [(str(message), message.level_tag) for message in messages.get_messages(request)]

    assert run(say, hear) == [["Saved", "success"], ["Or not", "error"]]
    assert run(hear) == []


def test_another_user_gets_nothing_of_the_first(run, parts, users, ada):
    """`login` over somebody else's session: the old record ends, and the data with it."""
    bob = users.create_user("bob")
    run(login(ada), put(secret="hers"), login(bob))
    assert run(lambda request: [request.user.username, "secret" in request.session]) == [
        "bob",
        False,
    ]
    assert [record.subject for record in parts.records()] == [str(bob.pk)]


def test_signing_in_again_is_a_new_sign_in(run, parts, ada):
    """The same user, who has just proved it: a new id, and the time limits start anew."""
    run(login(ada), put(cart=[1]))
    (before,) = parts.records()
    parts.clock.advance(60_000)
    run(login(ada))
    (after,) = parts.records()
    assert after.id != before.id
    assert after.authenticated_at == before.authenticated_at + 60_000
    assert run(lambda request: request.session["cart"]) == [1]


def test_the_subject_is_what_is_signed_in_and_not_what_the_data_say(run, ada):
    """Data cannot make anybody a user."""
    run(lambda request: holdfast.session_of(request).update({"_auth_user_id": str(ada.pk)}))
    assert run(lambda request: "_auth_user_id" in request.session) is False
    assert run(lambda request: request.user.is_authenticated) is False


def test_cycle_key_gives_a_new_secret(run, browser, parts, ada):
    """The old cookie is refused at once (R14); id, data and owner stay."""
    run(login(ada), put(cart=[1]))
    old, (before,) = browser.cookies[COOKIE].value, parts.records()
    run(lambda request: request.session.cycle_key())
    (after,) = parts.records()
    assert (after.id, after.secret_hash != before.secret_hash) == (before.id, True)
    assert run(lambda request: [request.user.username, request.session["cart"]]) == ["ada", [1]]
    browser.cookies[COOKIE] = old
    assert run(everything) == {}


def test_cycle_key_of_a_session_that_is_not_stored_is_nothing(run, parts):
    """`login` does it to every anonymous visitor."""
    run(lambda request: request.session.cycle_key())
    assert parts.records() == []


def test_a_password_change_ends_the_other_devices(run, browser, parts, ada):
    """Here a new secret; there the next request is nobody's, and the record is gone for every service."""
    from django.contrib.auth import update_session_auth_hash

    run(login(ada))
    phone = Browser()
    visited(phone, login(ada))
    assert len(parts.records()) == 2

    def change(request):
        request.user.set_password("another horse")
        request.user.save()
        update_session_auth_hash(request, request.user)

    old = browser.cookies[COOKIE].value
    run(change)
    assert browser.cookies[COOKIE].value != old
    assert run(lambda request: request.user.username) == "ada"
    assert visited(phone, lambda request: request.user.is_authenticated) is False
    assert len(parts.records()) == 1


def test_a_user_who_is_gone_is_nobody(run, ada):
    """The row is missing; the session still names it."""
    run(login(ada), lambda _request: get_user_model().objects.all().delete() and None)
    assert run(lambda request: request.user.is_authenticated) is False


# Keys, and what is done at once


def test_the_session_key_is_public(run, browser, parts):
    """Whoever logs it keeps no credential; a session store made of it opens nothing."""
    run(put(a=1))
    key = run(lambda request: request.session.session_key)
    assert key == parts.records()[0].id
    assert dict(SessionStore(key)) == {} == SessionStore(key).load()
    assert SessionStore().exists(key)
    assert not SessionStore().exists("x" * 32)


@pytest.mark.parametrize("before", [False, True], ids=["nobody before", "a visitor before"])
def test_the_key_that_is_noted_at_a_sign_in_is_the_new_one(run, parts, ada, before):
    """Applications that list or end sessions note it there, as from `user_logged_in`."""
    noted = []
    if before:
        run(put(a=1))

    def note(request, **_):
        noted.append(request.session.session_key)

    def sign_in(request):
        user_logged_in.connect(note)
        try:
            login(ada)(request)
        finally:
            user_logged_in.disconnect(note)
        return request.session.session_key

    key = run(sign_in)
    (record,) = parts.records()
    assert (noted, key, record.subject) == ([record.id], record.id, str(ada.pk))
    assert run(lambda request: request.session.session_key) == key


def test_a_key_before_there_is_anything_to_keep(run, browser, parts):
    """Carts of visitors are often keyed by it: `create()`, or `save()`, gives one that stays."""

    def ask(request):
        if not request.session.session_key:
            request.session.create()
        return request.session.session_key

    key = run(ask)
    assert (key, run(ask), run(everything)) == (parts.records()[0].id, key, {})
    other = Browser()
    assert visited(other, lambda request: request.session.save() or request.session.session_key)


def test_what_names_another_session_ends_it_at_once(run, parts):
    """`delete(key)` takes the public id, as applications have noted it."""
    run(put(a=1))
    (record,) = parts.records()
    other = Browser()
    visited(other, lambda request: request.session.delete(record.id))
    assert parts.records() == []


def test_save_in_a_session_that_has_ended(run, parts):
    """Django's own exception, which code may handle."""

    def late(request):
        parts.sessions.revoke(request.session.session_key)
        request.session["a"] = 2
        with pytest.raises(UpdateError):
            request.session.save()
        return "known"

    assert run(put(a=1), late) == "known"
    assert parts.records() == []


def test_must_create_of_what_exists(run):
    """As Django has it."""

    def save(request):
        with pytest.raises(CreateError):
            request.session.save(must_create=True)

    run(put(a=1), save)


# Late writes


def test_a_session_that_ended_meanwhile_is_not_revived(browser, run, parts):
    """A log-out elsewhere wins (P1): Django's `SessionInterrupted`, which Django answers with 400."""

    def slow(request):
        request.session["a"] = 2
        parts.sessions.revoke(request.session.session_key)

    answer = run(put(a=1), slow)
    assert (answer.status_code, parts.records()) == (400, [])
    assert "Set-Cookie" not in str(answer.serialize_headers())


@pytest.mark.parametrize(
    "write",
    [
        put(late=1),
        lambda request: request.session.flush(),
        lambda request: request.session.cycle_key(),
    ],
)
@pytest.mark.parametrize("touched", [True, False])
def test_a_write_after_the_answer_began(browser, run, parts, write, touched):
    """Whether the session was looked at before or not."""
    raised = []

    def stream(request):
        if touched:
            assert request.session["a"] == 1

        def body():
            yield "begun"
            try:
                write(request)
            except SessionInterrupted as error:
                raised.append(str(error))

        return StreamingHttpResponse(body())

    run(put(a=1))
    (record,) = parts.records()
    from web_django import urls

    urls.STEPS.append(stream)
    assert b"".join(browser.get("/visit").streaming_content) == b"begun"
    assert raised == ["the answer has begun; change the session before the first byte is sent"]
    assert parts.records()[0].version == record.version


def test_the_last_request_wins_a_key(browser, run):
    """Code that cannot know of conflicts gets none; another key of the same session is kept."""
    run(put(both=0))

    def meanwhile(request):
        assert request.session["both"] == 0
        other = Browser()
        other.cookies = browser.cookies.copy()
        visited(other, put(both="second", theirs=True))
        request.session["both"] = "first"

    run(meanwhile)
    assert run(everything) == {"both": "first", "theirs": True}


def test_a_conflict_of_the_session_itself_is_409(browser, run):
    """Who writes `session_of(request)` is told when another request was faster."""
    run(put(n=0))

    def slow(request):
        session = holdfast.session_of(request)
        seen = session["n"]
        other = Browser()
        other.cookies = browser.cookies.copy()
        visited(other, put(n=100))
        session["n"] = seen + 1

    answer = run(slow)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_both_views_are_one_session(run):
    """They see each other's changes at once, and both are kept."""

    def use(request):
        session = holdfast.session_of(request)
        request.session["a"] = {"by": "django"}
        assert session["a"] == {"by": "django"}
        session["b"] = [1]
        assert request.session["b"] == [1]
        session["b"] = [1, 2]

    assert run(use, everything) == {"a": {"by": "django"}, "b": [1, 2]}
