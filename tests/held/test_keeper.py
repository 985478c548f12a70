"""When what is open ends, and when it does not; and what looking after it costs."""

import asyncio
import logging
from datetime import timedelta

import msgspec
import pytest

from held.loop import Open, Site, in_a_loop, until
from holdfast.errors import StoreCorrupt, StoreUnavailable
from holdfast.protocols import Told
from holdfast.settings import ms
from holdfast.stores.feed import moment
from holdfast.testing import AsyncMemoryStore
from holdfast.web import asgi, asgi_held

HOUR = 3_600_000


class Late:
    """Changes of one node that are heard only from some moment on, and none is told."""

    def __init__(self, node=None):
        self.heard = False
        self.asked = 0
        self._nodes = (node,) if node else ()

    def watch(self):
        return self

    async def take(self):
        self.asked += 1
        return Told((), heard_at=moment(), nodes=self._nodes) if self.heard else Told()

    def close(self):
        pass


def elsewhere(memory):
    """A store whose server processes have names, of which this is one."""
    store = AsyncMemoryStore(memory)
    get = store.get

    async def answer(*arguments, **named):
        return msgspec.structs.replace(await get(*arguments, **named), node="other")

    store.get = answer
    return store


class Deaf:
    """Changes that can be heard no more, in every way."""

    def __init__(self, how):
        self._how = how

    def watch(self):
        if self._how == "no watcher":
            raise RuntimeError("no watcher today")
        return self

    async def take(self):
        if self._how == "hangs":
            await asyncio.Event().wait()
        raise RuntimeError("not heard")

    def close(self):
        pass


@in_a_loop
async def test_a_sign_out_elsewhere():
    site = Site()
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    events = await site.open("/events", session).begun()
    lines = await site.open("/lines", session).begun()
    site.sessions.revoke(session.id)
    assert [await socket.over(), await events.over(), await lines.over()] == [4401, True, False]
    assert sorted(site.ended) == ["echo: WebSocketDisconnect 4401", "events"]


@pytest.mark.parametrize("heard", [None, *map(Deaf, ["no watcher", "hangs", "raises"])])
@in_a_loop
async def test_where_nothing_is_heard_the_store_is_asked(heard):
    """The keeper outlives what tells of changes, and the bound is kept."""
    site = Site(heard=heard)
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    await site.turns()
    assert await socket.echoes()
    site.sessions.revoke(session.id)
    assert await socket.over() == 4401


@in_a_loop
async def test_what_changed_before_anything_was_heard():
    """What was read before that is not believed for long: nobody will tell of it."""
    changes = Late()
    site = Site(heard=changes, cache_bound=timedelta(seconds=2))
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()

    async def end():
        """The answer is still under way when the line for changes is there."""
        site.sessions.revoke(session.id)
        changes.heard = True
        seen = changes.asked
        await until(lambda: changes.asked > seen)
        await asyncio.sleep(0)

    site.store.after("get", end)
    assert await socket.over() == 4401


@in_a_loop
async def test_what_was_read_where_nothing_is_heard():
    """A server process that the line for changes does not reach."""
    changes = Late("this")
    changes.heard = True
    site = Site(heard=changes, store=elsewhere)
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    await site.turns()
    site.sessions.revoke(session.id)
    assert await socket.over() == 4401


@pytest.mark.parametrize("limit", ["idle", "absolute"])
@in_a_loop
async def test_time_ends_it(limit):
    """What nobody tells of: the limits of the session. Idle is judged after the slack."""
    site = Site()
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    settings = site.assembly.settings
    if limit == "absolute":
        for _ in range(7):
            site.clock.advance(ms(settings.absolute) // 8)
            site.sessions.commit(site.sessions.begin(session.cookie))
            site.assembly.background.flush()
        await site.turns()
        assert await socket.echoes()
        site.clock.advance(ms(settings.absolute) // 8)
    else:
        site.clock.advance(ms(settings.idle) + settings.touch_slack - 1)
        await site.turns()
        assert await socket.echoes()
        site.clock.advance(1)
    assert await socket.over() == 4401


@in_a_loop
async def test_activity_keeps_it_open():
    """That is no change which anybody is told of: at its end the session is read again."""
    site = Site()
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    for _ in range(3):
        site.clock.advance(ms(site.assembly.settings.idle) // 2)
        site.sessions.commit(site.sessions.begin(session.cookie))
        site.assembly.background.flush()
    await site.turns()
    assert await socket.echoes()
    socket.task.cancel()


@in_a_loop
async def test_a_rotation_ends_nothing():
    """The session goes on; so does what it has open."""
    site = Site()
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    site.sessions.rotate(session)
    await site.turns()
    assert await socket.echoes()
    socket.task.cancel()


@in_a_loop
async def test_a_token_that_was_ended():
    """It closes what it has opened, and no more."""
    site = Site()
    session = site.sign_in()
    tokens = site.sessions.issue_tokens(session)
    bearer = {"authorization": f"Bearer {tokens.access_token}"}
    by_token = await Open(site.app, "/echo", bearer).begun()
    by_cookie = await site.open("/echo", session).begun()
    site.sessions.revoke_token(tokens.access_token)
    assert await by_token.over() == 4401
    assert await by_cookie.echoes()
    site.sessions.revoke(session.id)
    assert await by_cookie.over() == 4401


@in_a_loop
async def test_a_token_outlives_the_idle_cookie():
    """A live refresh family keeps the session; a token's own end is none of the session."""
    site = Site()
    session = site.sign_in()
    tokens = site.sessions.issue_tokens(session)
    bearer = {"authorization": f"Bearer {tokens.access_token}"}
    by_token = await Open(site.app, "/echo", bearer).begun()
    by_cookie = await site.open("/echo", session).begun()
    site.clock.advance(48 * HOUR)
    assert await by_cookie.over() == 4401
    await site.turns()
    assert await by_token.echoes()
    by_token.task.cancel()


@pytest.mark.parametrize("error", [StoreUnavailable, StoreCorrupt, ZeroDivisionError])
@in_a_loop
async def test_an_outage_beyond_the_bound(error):
    """Nobody can say whether the session lives: "try again later", and not "it has ended"."""
    site = Site(heard=None)
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    events = await site.open("/events", session).begun()
    site.away(error)
    assert [await socket.over(), await events.over()] == [1013, True]
    assert site.ended.count("echo: WebSocketDisconnect 1013") == 1


@in_a_loop
async def test_a_store_that_hangs():
    site = Site(heard=None)
    socket = await site.open("/echo", site.sign_in()).begun()
    site.store.before("get", asyncio.Event().wait, times=10_000)
    assert await socket.over() == 1013


@in_a_loop
async def test_one_failure_ends_nothing():
    site = Site(heard=None, cache_bound=timedelta(seconds=2))
    socket = await site.open("/echo", site.sign_in()).begun()

    def fail():
        raise StoreUnavailable("once")

    site.store.before("get", fail)
    before = site.reads
    await until(lambda: site.reads > before + 1)
    assert await socket.echoes()
    socket.task.cancel()


@in_a_loop
async def test_stale_reads_keep_it_open_for_longer():
    """Who lets requests in during an outage does not close sockets either."""
    site = Site(heard=None, cache=True, stale_reads=timedelta(minutes=5))
    session = site.sign_in()
    socket = await site.open("/echo", session).begun()
    site.away()
    before = site.reads
    await until(lambda: site.reads > before + 8)
    assert await socket.echoes()
    socket.task.cancel()


@in_a_loop
async def test_while_changes_are_heard_the_store_is_not_asked():
    """One look after the beginning, and then none, however long it is open."""
    site = Site()
    session = site.sign_in()
    sockets = [await site.open("/echo", session).begun() for _ in range(3)]
    before = site.reads
    await until(lambda: site.reads > before)
    await site.turns()
    assert site.reads == before + 1
    for each in sockets:
        each.task.cancel()


@in_a_loop
async def test_a_short_stream_costs_nothing():
    site = Site()
    session = site.sign_in()
    before = site.reads
    assert await site.open("/short", session).over()
    assert site.reads == before + 1


@in_a_loop
async def test_nobody_signed_in():
    """There is nothing to end with."""
    site = Site()
    socket = await Open(site.app, "/mute", {}).begun()
    held = await site.open("/echo", site.sign_in()).begun()
    site.sessions.revoke_everyone()
    assert await held.over() == 4401
    assert not socket.task.done()
    socket.task.cancel()


@in_a_loop
async def test_what_is_said_after_the_end_is_not_heard():
    """A client need not accept the close; until the server gives up it could go on."""
    heard = []

    def app(assembly):
        async def listen(_scope, receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "here"})
            while (message := await receive())["type"] == "websocket.receive":
                heard.append(message["text"])
            heard.append(message["code"])

        return asgi.HoldfastMiddleware(listen, assembly.chain)

    site = Site(app=app)
    session = site.sign_in()
    spoken = asyncio.Event()

    async def speak():
        socket.say("delete everything")
        await spoken.wait()

    socket = await site.open("/echo", session, refuses=("websocket.close", speak)).begun()
    site.sessions.revoke(session.id)
    await until(lambda: heard)
    spoken.set()
    assert heard == [4401]
    assert await socket.over() == 4401


@in_a_loop
async def test_an_application_that_does_not_notice(monkeypatch):
    monkeypatch.setattr(asgi_held, "_PATIENCE", 0.05)
    site = Site()
    session = site.sign_in()
    socket = await site.open("/mute", session).begun()
    site.sessions.revoke(session.id)
    assert await socket.over() == 4401
    assert site.ended == ["mute: CancelledError"]


@in_a_loop
async def test_a_client_that_does_not_read(monkeypatch):
    monkeypatch.setattr(asgi_held, "_PATIENCE", 0.05)
    site = Site()
    session = site.sign_in()
    stuck = asyncio.Event().wait
    socket = await site.open("/mute", session, refuses=("websocket.close", stuck)).begun()
    site.sessions.revoke(session.id)
    assert not await socket.over()
    assert site.ended == ["mute: CancelledError"]


@in_a_loop
async def test_a_client_that_goes_at_the_same_moment(caplog):
    """Nothing is raised where nobody would see it, and nothing is left."""
    went = []

    async def gone():
        went.append(1)
        raise OSError("it has gone")

    site = Site()
    session = site.sign_in()
    socket = await site.open("/echo", session, refuses=("websocket.close", gone)).begun()
    site.sessions.revoke(session.id)
    await until(lambda: went)
    socket.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await asyncio.wait({socket.task})
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@in_a_loop
async def test_a_server_that_stops_is_heeded():
    """Its cancelling is not taken for ours."""
    site = Site()
    events = await site.open("/events", site.sign_in()).begun()
    events.task.cancel()
    await asyncio.wait({events.task})
    assert events.task.cancelled()


@in_a_loop
async def test_an_answer_of_announced_length_is_finished():
    goes_on = asyncio.Event()

    def app(assembly):
        async def download(_scope, _receive, send):
            headers = [(b"content-length", b"4")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"12", "more_body": True})
            await goes_on.wait()
            await send({"type": "http.response.body", "body": b"34"})

        return asgi.HoldfastMiddleware(download, assembly.chain)

    site = Site(app=app)
    session = site.sign_in()
    download = await site.open("/file", session).begun()
    site.sessions.revoke(session.id)
    goes_on.set()
    assert await download.over()
    assert site.reads == 1


@in_a_loop
async def test_holding_is_no_look_into_the_session():
    """The answer of a handler that does not ask who is there may still be cached."""

    def app(assembly):
        async def stream(_scope, _receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"12", "more_body": True})
            await asyncio.Event().wait()

        return asgi.HoldfastMiddleware(stream, assembly.chain)

    site = Site(app=app)
    session = site.sign_in()
    stream = await site.open("/public", session).begun()
    assert stream.sent[0]["headers"] == []
    site.sessions.revoke(session.id)
    assert not await stream.over()


@pytest.mark.parametrize("path", ["/echo", "/lines"])
@in_a_loop
async def test_nothing_is_sent_after_the_end(path):
    """Neither by a handler that only talks, nor by one that does not let itself be cancelled."""
    raised = []

    def app(assembly):
        async def talk(scope, receive, send):
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.accept"})
                message = {"type": "websocket.send", "text": "here"}
            else:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                message = {"type": "http.response.body", "body": b"here", "more_body": True}
            while not raised:
                try:
                    await send(message)
                    await asyncio.sleep(0.002)
                except asyncio.CancelledError:
                    pass
                except OSError as error:
                    raised.append(error)

        return asgi.HoldfastMiddleware(talk, assembly.chain)

    site = Site(app=app)
    session = site.sign_in()
    talking = await site.open(path, session).begun()
    site.sessions.revoke(session.id)
    assert await talking.over() == (4401 if path == "/echo" else False)
    assert raised
