"""`request.session` in async views: the whole of Django's async interface, and no thread for the session."""

import asyncio

import pytest
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError

from holdfast.web import django as holdfast
from holdfast.web.django.sessions import SessionStore
from web_django.conftest import AsyncBrowser, avisited

pytestmark = pytest.mark.skipif(
    not hasattr(SessionBase, "aget"), reason="Django's sessions are async from 5.1 on"
)

COOKIE = "__Host-session"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def put(**values):
    async def step(request):
        await request.session.aupdate(values)

    return step


async def everything(request):
    return dict(await request.session.aitems())


def test_the_async_methods(arun):
    """All of those that Django 5.1 and later have."""

    async def use(request):
        session = request.session
        await session.aset("a", 1)
        await session.aupdate({"b": 2, "c": [3]})
        assert await session.aget("a") == 1
        assert await session.aget("z", 9) == 9
        assert await session.apop("b") == 2
        assert await session.apop("b", "gone") == "gone"
        assert await session.asetdefault("d", 4) == 4
        assert await session.ahas_key("d")
        assert sorted(await session.akeys()) == ["a", "c", "d"]
        assert len(await session.avalues()) == 3
        await session.aset_test_cookie()
        assert await session.atest_cookie_worked()
        await session.adelete_test_cookie()
        await session.aset_expiry(300)
        assert await session.aget_expiry_age() == 300
        assert await session.aget_expire_at_browser_close() is False
        assert await session.aget_expiry_date()
        await session.aset_expiry(None)
        assert await session.aload() == {"a": 1, "c": [3], "d": 4}

    assert arun(use, everything) == {"a": 1, "c": [3], "d": 4}


def test_sync_access_needs_no_thread(arun):
    """The session was read before the view, so that code for sync views works in async ones."""

    async def use(request):
        request.session["n"] = request.session.get("n", 0) + 1
        return request.session["n"]

    assert arun(use, use, use) == 3


def test_login_and_logout(arun, abrowser, parts, users):
    """`alogin`, `auser`, `alogout`: the owner is recorded under a new id, and gone afterwards."""
    from django.contrib.auth import alogin, alogout

    ada = users.create_user("ada")

    async def enter(request):
        await alogin(request, ada, BACKEND)

    async def who(request):
        user = await request.auser()
        return [user.get_username(), await request.session.aget("cart")]

    async def leave(request):
        await alogout(request)

    assert arun(put(cart=[1]), enter, who) == ["ada", [1]]
    (record,) = parts.records()
    assert record.subject == str(ada.pk)
    assert arun(leave, who) == ["", None]
    assert parts.records() == []


def test_a_password_change(arun, abrowser, parts, users):
    """The other devices end with their next request."""
    from django.contrib.auth import alogin, aupdate_session_auth_hash

    ada = users.create_user("ada", password="correct horse")
    phone = AsyncBrowser()

    async def enter(request):
        await alogin(request, ada, BACKEND)

    async def change(request):
        user = await request.auser()
        user.set_password("another horse")
        await user.asave()
        request.user = user  # Django's function compares it, and would read it in the event loop
        await aupdate_session_auth_hash(request, user)

    async def who(request):
        return (await request.auser()).get_username()

    asyncio.run(avisited(phone, enter))
    assert arun(enter, change, who) == "ada"
    assert asyncio.run(avisited(phone, who)) == ""
    assert len(parts.records()) == 1


def test_cycle_create_save_and_delete(arun, abrowser, parts):
    """What is done at once, and what waits for the commit."""

    async def make(request):
        await request.session.acreate()
        await request.session.asave()
        with pytest.raises(CreateError):
            await request.session.asave(must_create=True)
        return request.session.session_key

    async def cycle(request):
        await request.session.acycle_key()

    async def known(request):
        key = request.session.session_key
        return [await SessionStore().aexists(key), await SessionStore().aexists("no such key")]

    async def end(request):
        await request.session.aflush()

    assert arun(make) == parts.records()[0].id
    old = abrowser.cookies[COOKIE].value
    assert arun(cycle, known) == [True, False]
    assert abrowser.cookies[COOKIE].value != old
    arun(end)
    assert parts.records() == []
    asyncio.run(SessionStore.aclear_expired())


def test_save_in_a_session_that_has_ended(arun, parts):
    """Django's own exception."""

    async def late(request):
        await parts.assembly.sessions.revoke(request.session.session_key)
        await request.session.aset("a", 2)
        with pytest.raises(UpdateError):
            await request.session.asave()

    arun(put(a=1), late)
    assert parts.records() == []


def test_a_session_that_ended_meanwhile_is_not_revived(arun, parts):
    """`SessionInterrupted`, which Django answers with 400 (P1)."""

    async def slow(request):
        await request.session.aset("a", 2)
        await parts.assembly.sessions.revoke(request.session.session_key)

    assert arun(put(a=1), slow).status_code == 400
    assert parts.records() == []


def test_delete_of_another(arun, parts):
    """By its public id, at once."""
    arun(put(a=1))
    (record,) = parts.records()

    async def delete(request):
        await request.session.adelete(record.id)

    asyncio.run(avisited(AsyncBrowser(), delete))
    assert parts.records() == []


def test_a_guard_of_an_async_view(abrowser, parts, users):
    """The guards await nothing that is read already; permissions are looked up in a thread."""
    from django.contrib.auth import alogin

    ada = users.create_user("ada")

    @holdfast.require
    async def mine(request):
        return holdfast.session_of(request).subject

    @holdfast.require_permission("auth.view_user")
    async def managed(_request):
        return "seen"

    async def enter(request):
        await alogin(request, ada, BACKEND)

    async def every():
        before = await avisited(abrowser, mine)
        await avisited(abrowser, enter)
        after = await avisited(abrowser, mine), await avisited(abrowser, managed)
        await users.filter(pk=ada.pk).aupdate(is_superuser=True)
        return before, *after, await avisited(abrowser, managed)

    before, mine_now, refused, managed_now = asyncio.run(every())
    assert (before.status_code, mine_now, refused.status_code, managed_now) == (
        401,
        str(ada.pk),
        403,
        "seen",
    )


def test_the_store_of_record_is_asked_once(arun, parts):
    """Reading, however often; and one write."""
    arun(put(a=1))
    parts.store.calls.clear()

    async def use(request):
        await request.session.aget("a")
        dict(request.session)
        await request.session.aset("a", 2)

    arun(use)
    assert parts.store.calls == ["get", "update"]
