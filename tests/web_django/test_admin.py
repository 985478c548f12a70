"""The admin's page of sessions: who may see it, who may end, and what it shows."""

import html
import re

import pytest
from django.contrib.auth.models import Permission

from holdfast.record import Policy, changed
from holdfast.rules.secret import new_id
from holdfast.session import Session
from holdfast.web.django.listing import LIMIT, listed
from web_django.conftest import Browser, visited
from web_django.test_request_session import login, put

LIST = "/admin/holdfast/session/"
AGENT = "<script>alert(1)</script>"


@pytest.fixture
def root(browser, admin):
    visited(browser, login(admin))
    return browser


def page(browser, query=""):
    answer = browser.get(LIST + query)
    return html.unescape(answer.content.decode()) if answer.status_code == 200 else answer


def ids(text):
    return re.findall(r'name="id" value="([^"]+)"', text)


def token(browser):
    return re.search(
        r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/form").content.decode()
    )[1]


def end(browser, **fields):
    return browser.post(LIST, {"csrfmiddlewaretoken": token(browser), **fields})


def others(parts, count, subject="77"):
    made = []
    for _ in range(count):
        session = Session()
        session.sign_in(subject)
        parts.sessions.commit(session)
        made.append(session.id)
    return made


def test_the_list_shows_whose_sessions_there_are(root, parts, ada):
    """Users by name, visitors as nobody, one's own without a button; what clients said is escaped."""
    phone, visitor = Browser(), Browser()
    visited(phone, login(ada), HTTP_USER_AGENT=AGENT)
    visited(visitor, put(a=1))
    raw = root.get(LIST).content.decode()
    assert AGENT not in raw
    text = page(root)
    assert [
        word in text for word in ("ada", "root", "nobody", "this session", "127.0.0.1", AGENT)
    ] == [True] * 6
    assert set(ids(text)) == {record.id for record in parts.records()} - {own(root, parts)}
    assert str(parts.records()[0].secret_hash) not in text


def own(browser, parts):
    return next(
        record.id
        for record in parts.records()
        if record.id in browser.cookies["__Host-session"].value
    )


def test_one_session_is_ended(root, parts, ada):
    """At once, durably, and audited with the administrator's reason."""
    phone = Browser()
    visited(phone, login(ada))
    (id,) = ids(page(root, f"?subject={ada.pk}"))
    assert end(root, id=id).status_code == 302
    assert "Sessions ended: 1." in page(root)
    assert visited(phone, lambda request: request.user.is_authenticated) is False
    assert "ended_by_operator" in [event.reason for event in parts.events]


def test_all_sessions_of_a_user_are_ended(root, parts, ada, admin):
    """And of oneself all others."""
    others(parts, 3, str(ada.pk))
    others(parts, 2, str(admin.pk))
    end(root, all_of=str(ada.pk))
    assert {record.subject for record in parts.records()} == {str(admin.pk)}
    end(root, all_of=str(admin.pk))
    assert [record.id for record in parts.records()] == [own(root, parts)]


def test_one_s_own_session_stays(root, parts):
    """Signing out has a button of its own."""
    end(root, id=own(root, parts))
    assert "Sessions ended: 0." in page(root)


@pytest.mark.parametrize("query", ["", "?subject=77"])
def test_the_list_is_paged(root, parts, query):
    """Every session on exactly one page."""
    made = others(parts, 2 * LIMIT + 3)
    seen, text = [], page(root, query)
    while True:
        seen += ids(text)
        assert len(ids(text)) <= LIMIT
        following = re.search(r'<a href="(\?[^"]*after=[^"]+)"', text)
        if following is None:
            break
        text = page(root, following[1])
    assert sorted(seen) == sorted(made)


def test_an_expired_session_is_not_shown(root, parts):
    """It is over, whether or not it was swept."""
    made = others(parts, 1)
    assert ids(page(root)) == made
    parts.clock.advance(25 * 3600 * 1000)
    assert listed(parts.assembly, "", None, own=None).rows == []


def test_a_claim_is_not_shown(root, parts):
    """It is nobody's session, so nobody could say what they end there."""
    made = others(parts, 1)
    (record,) = (each for each in parts.records() if each.id == made[0])
    claim = changed(record, id=new_id(0, bytes(16)), policy=Policy("adoption", 60_000, 60_000))
    parts.assembly.blocking_store.insert(claim, now=parts.clock())
    assert ids(page(root)) == made


@pytest.mark.parametrize(
    "query",
    ["?after=x", "?after=" + "a" * 5000, "?subject=%00", "?subject=" + "x" * 5000, "?after=%FF"],
)
def test_queries_of_any_shape(root, query):
    """An empty list."""
    assert "No sessions" in page(root, query)


@pytest.mark.parametrize(
    "fields", [{}, {"id": ""}, {"id": "x"}, {"id": "é" * 5000}, {"id": "aa1" + "A" * 22}]
)
def test_ids_of_any_shape(root, parts, fields):
    """Nothing is ended."""
    count = len(parts.records())
    assert end(root, **fields).status_code == 302
    assert len(parts.records()) == count


@pytest.mark.parametrize("subject", ["\x00", "x" * 5000, " "])
def test_subjects_of_any_shape(root, parts, subject):
    """Nothing is ended, and nothing is raised."""
    count = len(parts.records())
    assert end(root, all_of=subject).status_code == 302
    assert len(parts.records()) == count


@pytest.mark.parametrize(
    "name", ["ad\u202ebob", "evil\u2069\u202e tail", "\u0645\u062d\u0645\u062f"]
)
def test_a_name_does_not_read_as_another(root, parts, ada, name):
    """A mark that turns text around is seen; a script from right to left stays as it is."""
    ada.username = name
    ada.save()
    others(parts, 1, str(ada.pk))
    text = page(root)
    link = re.search(rf'<a href="\?subject={ada.pk}" dir="auto">([^<]*)</a>', text)[1]
    assert link == name.translate(dict.fromkeys(map(ord, "\u202e\u2069"), "\ufffd"))


def test_an_id_that_no_database_can_be_asked_for(root, parts):
    """Another service may have signed it in; its session is listed, and so are all others."""
    made = others(parts, 1, "9" * 400) + others(parts, 1, "77") + others(parts, 1, str(2**63))
    assert set(ids(page(root))) == {*made}


def found(browser, text):
    answer = browser.get(LIST, {"user": text})
    assert answer.status_code == 302
    return page(browser, answer["Location"])


def test_sessions_are_found_by_id_or_by_name(root, parts, ada):
    """Of 10,000 users nobody knows the ID. What is an ID is not taken for a name."""
    mine, foreign = others(parts, 1, str(ada.pk)), others(parts, 1, "77")
    assert ids(found(root, "ada")) == ids(found(root, f" {ada.pk} ")) == mine
    assert ids(found(root, "77")) == foreign
    ada.username = "77"
    ada.save()
    assert ids(found(root, "77")) == foreign
    assert ids(found(root, "nobody of this name")) == []
    assert set(ids(found(root, ""))) == {*mine, *foreign}


def test_a_name_that_is_the_id_of_another_finds_the_id(root, parts, ada, admin):
    """Also if that user has no session: an impostor is not shown for them."""
    others(parts, 1, str(ada.pk))
    ada.username = str(admin.pk)
    ada.save()
    assert f'name="user" value="{admin.pk}"' in found(root, str(admin.pk))
    assert ids(found(root, str(admin.pk))) == []


@pytest.mark.parametrize("text", ["\x00", "x" * 5000, "%FF", "9" * 400, "\u202e", "'; --"])
def test_searches_of_any_shape(root, text):
    """Nobody is found, and nothing is raised."""
    assert "No sessions" in found(root, text)


def grant(user, *names):
    user.is_staff = True
    user.save()
    user.user_permissions.set(
        Permission.objects.filter(codename__in=names, content_type__app_label="holdfast")
    )


def test_who_may_see_and_who_may_end(browser, parts, ada):
    """Staff without the permission gets 403, with `view` alone no button and no POST."""
    made = others(parts, 1)
    grant(ada)
    visited(browser, login(ada))
    assert page(browser).status_code == 403
    grant(ada, "view_session")
    assert ids(page(browser)) == []
    assert end(browser, id=made[0]).status_code == 403
    assert made[0] in [record.id for record in parts.records()]
    grant(ada, "view_session", "delete_session")
    assert ids(page(browser)) == made
    assert end(browser, id=made[0]).status_code == 302
    assert made[0] not in [record.id for record in parts.records()]


def test_nobody_and_other_users_are_sent_to_the_login(browser, ada):
    """As from every page of the admin."""
    assert page(browser).status_code == 302
    visited(browser, login(ada))
    assert page(browser).status_code == 302


def test_ending_needs_the_csrf_token(root, parts):
    """A page of another site ends nobody's session."""
    made = others(parts, 1)
    answer = root.post(LIST, {"id": made[0]})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert made[0] in [record.id for record in parts.records()]


def test_nothing_is_added_or_changed(root, parts):
    """The list is all there is."""
    for path in ("add/", "1/change/", "1/delete/", "1/history/"):
        assert root.get(LIST + path).status_code == 404


def test_an_outage_is_503(root, parts):
    """Not an empty list."""
    from holdfast.errors import StoreUnavailable

    def away():
        raise StoreUnavailable("as the test wishes")

    parts.store.before("page", away)
    assert root.get(LIST).status_code == 503
