"""Two uvicorns over one store: what one has open ends when the session ends at the other."""

import time

import pytest

import postgresql
import redis_servers
from held.clients import Browser, Process, within_the_bound


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


@pytest.fixture(scope="module")
def pair(store):
    pair = Process(store), Process(store)
    yield pair
    for each in pair:
        printed = each.stop()
        assert "Traceback" not in printed, printed


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
