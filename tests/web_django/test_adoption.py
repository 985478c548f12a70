"""Moving in: sessions of Django's own back ends go on, and the old ones are gone."""

import asyncio
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, login
from django.test import override_settings

from holdfast.engine.adopting import GRACE
from holdfast.errors import ConfigurationError
from holdfast.web.django import adoption
from web_django.conftest import AsyncBrowser, Browser, avisited, visited
from web_django.test_request_session import everything

COOKIE, OLD = "__Host-session", "sessionid"
ENGINES = [f"django.contrib.sessions.backends.{name}" for name in ("db", "cache", "cached_db")]


@pytest.fixture(params=ENGINES)
def engine(request, tables):
    with override_settings(HOLDFAST_ADOPT={"engine": request.param}):
        yield request.param


def old_session(engine, user=None, **data):
    """As Django itself would have left it, with its own signing and serializer."""
    store = import_module(engine).SessionStore()
    if user is not None:
        data |= {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    store.update(data)
    store.save()
    return store.session_key


def exists(engine, key):
    return import_module(engine).SessionStore().exists(key)


def test_a_live_session_goes_on(engine, browser, parts, ada):
    """The same user and data under a new id; the old session and its cookie are gone."""
    key = old_session(engine, ada, cart=[1], _csrftoken="A" * 32)
    browser.cookies[OLD] = key
    assert browser.get("/me").json()["user"] == "ada"
    (record,) = parts.records()
    assert b"_csrftoken" not in record.data  # a secret, and of nothing any more
    assert (record.subject, key in browser.cookies[COOKIE].value) == (str(ada.pk), False)
    assert browser.cookies[OLD]["max-age"] == "0"
    assert not exists(engine, key)
    assert visited(browser, everything)["cart"] == [1]
    parts.clock.advance(GRACE)
    thief = Browser()
    thief.cookies[OLD] = key
    assert thief.get("/me").json()["user"] == ""


def test_in_an_async_view(engine, parts, ada):
    """Django's back end is asked in a thread."""
    key = old_session(engine, ada, cart=[1])
    browser = AsyncBrowser()
    browser.cookies[OLD] = key

    async def cart(request):
        return request.session["cart"]

    assert asyncio.run(avisited(browser, cart)) == [1]
    assert (len(parts.records()), exists(engine, key)) == (1, False)


def test_a_visitors_session_goes_on(engine, browser, parts, tables):
    """Nobody is signed in, and the cart stays."""
    browser.cookies[OLD] = old_session(engine, cart=[1])
    assert visited(browser, everything) == {"cart": [1]}
    assert parts.records()[0].subject is None


@pytest.mark.parametrize("key", ["", "x", "a" * 32, "é" * 32, "' OR 1=1 --", "x" * 100_000])
def test_keys_of_any_shape(engine, browser, parts, key):
    """Nobody's session: nothing is stored, and nothing is raised."""
    browser.cookies[OLD] = key
    assert visited(browser, everything) == {}
    assert parts.records() == []


@pytest.mark.parametrize(
    "key", ["", "a" * 7, "a" * 129, "é" * 32, "a" * 20 + "/../x", "a" * 20 + "\n", "a b" * 9]
)
def test_what_is_no_key_asks_no_back_end(engine, key):
    """Django's engines make names of files and of entries of a cache of it."""
    place = adoption.of(settings)
    for face in place.open(timeout=1)[:2]:
        assert face.key_of(key) is None
        assert face.key_of("a" * 32) == "a" * 32


@pytest.fixture
def files(tables, tmp_path):
    engine = "django.contrib.sessions.backends.file"
    with override_settings(HOLDFAST_ADOPT={"engine": engine}, SESSION_FILE_PATH=str(tmp_path)):
        yield engine


def test_a_key_that_a_back_end_refuses_keeps_nobody_out(files, browser, parts, ada):
    """Anybody can plant such a cookie; whoever signs in beside it is signed in."""
    browser.cookies[OLD] = "ABCDEFGH-_"
    visited(browser, lambda request: login(request, ada))
    assert browser.get("/me").json()["user"] == "ada"
    assert [record.subject for record in parts.records()] == [str(ada.pk)]


def test_a_session_from_before_a_password_change_is_nobodys(engine, browser, parts, ada):
    """The hash that Django noted still counts."""
    browser.cookies[OLD] = old_session(engine, ada)
    ada.set_password("another horse")
    ada.save()
    assert browser.get("/me").json()["user"] == ""
    assert parts.records() == []


def test_an_error_of_the_server_signs_nobody_out(engine, browser, parts, ada):
    """The move stands, and its cookie goes out with the error."""
    key = old_session(engine, ada)
    browser.cookies[OLD] = key

    def fail(request):
        from django.http import HttpResponse

        return HttpResponse(request.user.username, status=500)

    assert visited(browser, fail).content == b"ada"
    assert (len(parts.records()), exists(engine, key)) == (1, False)
    assert browser.get("/me").json()["user"] == "ada"


def test_an_unsafe_request_adopts_nothing(engine, browser, parts, ada):
    """No page of another site signs anybody in by it; the next page does."""
    key = old_session(engine, ada)
    browser.cookies[OLD] = key
    assert browser.post("/form", {"a": "1"}).status_code == 200
    assert (parts.records(), exists(engine, key)) == ([], True)


def test_a_back_end_that_cannot_answer(engine, browser, parts, ada, monkeypatch):
    """503, and not "nobody is signed in" (P20); once it is back, so is the visitor."""
    key = old_session(engine, ada)
    browser.cookies[OLD] = key

    def fail(self):
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(import_module(engine).SessionStore, "load", fail)
        assert browser.get("/me").status_code == 503
    assert (parts.records(), browser.get("/me").json()["user"]) == ([], "ada")


def test_signed_cookies_cannot_move(tables):
    """Each would be good again and again."""
    signed = {"engine": "django.contrib.sessions.backends.signed_cookies"}
    with (
        override_settings(HOLDFAST_ADOPT=signed),
        pytest.raises(ConfigurationError, match="deleted"),
    ):
        adoption.of(settings)
