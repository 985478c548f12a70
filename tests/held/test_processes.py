"""Two uvicorns over one store: what one has open ends when the session ends at the other."""

import signal
import time
from contextlib import closing, contextmanager

import pytest

import postgresql
import redis_servers
from held.clients import FACTORY, Browser, Process, within_the_bound
from held.site import BOUND
from service.running import until

SERVERS = {
    "hypercorn": ("hypercorn", "held.site:from_environment()", "--bind", "127.0.0.1:{port}"),
    "granian": ("granian", "--interface", "asgi", "--factory", FACTORY, "--port", "{port}"),
}


@pytest.fixture(scope="module", params=["sqlite", "redis", "postgresql"])
def store(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("held")
    if request.param == "sqlite":
        yield f"sqlite:///{folder}/sessions.db"
    elif request.param == "redis":
        redis_servers.require_program()
        servers = redis_servers.Servers(folder)
        yield servers.start().url
        servers.close()
    else:
        schemas = postgresql.Schemas(postgresql.server())
        yield schemas.url()
        schemas.release()


@contextmanager
def running(*arguments):
    """A process, ended whatever happens; it has printed no error."""
    process = Process(*arguments)
    try:
        yield process
    finally:
        printed = process.stop()
    assert "Traceback" not in printed, printed


@pytest.fixture(scope="module")
def pair(store):
    with running(store) as one, running(store) as other:
        yield one, other


@pytest.fixture
def alone(tmp_path):
    """Redis servers of one test."""
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path)
    yield servers
    servers.close()


@pytest.fixture
def here(pair):
    return pair[0].port


@pytest.fixture
def there(pair):
    return pair[1].port


@pytest.fixture
def ann(here):
    browser = Browser(here)
    yield browser
    browser.close()


@pytest.mark.parametrize("end", ["/logout", "/everywhere", "/everyone"])
def test_sockets_and_streams_end_with_their_session(pair, ann, here, there, end):
    """R31, R32, R35: 4401 in every process, whichever ended it, and in whatever way."""
    sockets = [ann.socket(port, "/echo") for port in (here, there)]
    assert [each.text() for each in sockets] == ["ann", "ann"]
    events, lines = ann.stream(there, "/events"), ann.stream(there, "/lines")
    assert ann.post(here, end) == 200
    since = time.monotonic()
    assert [within_the_bound(each.closed, since) for each in sockets] == [4401, 4401]
    assert within_the_bound(events.rest, since)
    assert not within_the_bound(lines.rest, since)
    assert {"echo: WebSocketDisconnect 4401", "events"} <= set(pair[1].ended())


def test_half_sent_requests_end_with_their_session(pair, ann, here, there):
    """R31: who has a copied cookie cannot lay requests by for after the log-out."""
    honest, laid_by = (ann.half(there, "/pay") for _ in range(2))
    assert honest.finish() == 200
    assert ann.post(here, "/everywhere") == 200
    since = time.monotonic()
    assert within_the_bound(laid_by.drip, since) == 401
    assert pair[1].ended().count("ann has paid") == 1


@pytest.mark.parametrize("server", SERVERS)
def test_under_other_servers(server, tmp_path):
    """What a handler learns, and whether an answer was completed, is up to the server."""
    store = f"sqlite:///{tmp_path}/sessions.db"
    with running(store, SERVERS[server]) as process, closing(Browser(process.port)) as ann:
        socket = ann.socket(process.port, "/echo")
        assert socket.text() == "ann"
        events, lines = (ann.stream(process.port, path) for path in ("/events", "/lines"))
        assert ann.post(process.port, "/logout") == 200
        since = time.monotonic()
        assert within_the_bound(socket.closed, since) == 4401
        assert within_the_bound(events.rest, since)
        assert not within_the_bound(lines.rest, since)


def test_the_server_stops(tmp_path):
    """An event stream ends as if its session had, so that uvicorn waits for it no longer than for others."""
    with running(f"sqlite:///{tmp_path}/sessions.db") as process:
        with closing(Browser(process.port)) as ann:
            events = ann.stream(process.port, "/events")
            since = time.monotonic()
            process.process.terminate()
            assert within_the_bound(events.rest, since)
        assert process.process.wait(BOUND) in {0, -signal.SIGTERM}


def test_the_store_is_away(alone):
    """R31: nobody can say whether the session lives, so it is closed, and may come back later."""
    redis = alone.start("appendonly yes", "appendfsync always")
    with running(redis.url) as process, closing(Browser(process.port)) as ann:
        socket, events = ann.socket(process.port, "/echo"), ann.stream(process.port, "/events")
        assert socket.text() == "ann"
        since = time.monotonic()
        redis.kill()
        assert within_the_bound(socket.closed, since) == 1013
        assert within_the_bound(events.rest, since)
        redis.start()
        address = f"http://127.0.0.1:{process.port}/csrf"
        until(lambda: ann.client.get(address).is_success, "the store")
        again = ann.socket(process.port, "/echo")
        assert again.text() == "ann"
        assert ann.post(process.port, "/logout") == 200
        assert again.closed() == 4401
