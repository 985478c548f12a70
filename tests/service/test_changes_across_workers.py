"""The stream of changes over real stores, with two machines and several workers: it leaves nothing out.

Whoever asks for the clock after an answer, and then hears a proof of that moment, must have heard of the
change before. Machine and clock are one here, so that a test can compare moments as they are.
"""

import json
from itertools import cycle
from threading import Condition, Thread

import httpx
import pytest

import postgresql
from holdfast.service.backend import keys as service_keys
from postgresql import Schemas
from redis_servers import Server as RedisServer
from redis_servers import require_program
from service.clients import bearer
from service.running import Server

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
KEY = "hfk1_" + "k" * 43
DEADLINE = 30
ROUNDS = 5


@pytest.fixture
def redis_url(tmp_path):
    require_program()
    server = RedisServer(tmp_path)
    server.start()
    yield server.url
    server.close()


@pytest.fixture
def postgres_url():
    schemas = Schemas(postgresql.server())
    yield schemas.url()
    schemas.drop_service()
    schemas.release()


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'sessions.db'}"


@pytest.fixture(params=["redis", "postgres", "sqlite"])
def machines(request, tmp_path):
    """Two services over one store; the first has two workers."""
    shared = {
        "STORE": request.getfixturevalue(f"{request.param}_url"),
        "SECRET": SECRET,
        "PROFILE": "development",
        "SERVICE_KEYS": service_keys.entry("shop", service_keys.SCOPES, KEY),
    }
    one = Server(tmp_path / "one", "--workers", "2", **shared)
    other = Server(tmp_path / "other", **shared)
    yield one, other
    one.stop()
    other.stop()


class Listening:
    """A stream that is read in a thread of its own, from its first proof on."""

    def __init__(self, url):
        self._news = Condition()
        self._proved = 0
        self._told = set()
        self._everything = 0
        self._client = httpx.Client(headers=bearer(KEY), timeout=DEADLINE)
        self._url = f"{url}/backend/v1/changes"
        self.clock = None
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()
        self.told_before(1)

    def told_before(self, moment):
        """Ids that came before a proof of this moment; and how often anything could have changed."""
        with self._news:
            assert self._news.wait_for(lambda: self._proved >= moment, DEADLINE)
            return set(self._told), self._everything

    def close(self):
        self._client.close()

    def _read(self):
        try:
            with self._client.stream("GET", self._url) as answer:
                for line in answer.iter_lines():
                    name, _, text = line.partition(": ")
                    if name == "event":
                        event = text
                    elif name == "data":
                        self._hear(event, json.loads(text))
        except (httpx.HTTPError, RuntimeError, OSError):
            """The test is over."""

    def _hear(self, event, data):
        with self._news:
            match event:
                case "open":
                    self.clock = data["clock"]
                case "changed":
                    self._told |= set(data["ids"])
                case "forget":
                    self._everything += 1
                case "proof":
                    self._proved = data["at"]
            self._news.notify_all()


def ask(machine, method, path, body=None):
    """On a connection of its own, so that any worker may answer."""
    url = f"{machine.url}/backend/v1{path}"
    answer = httpx.request(method, url, headers=bearer(KEY), json=body, timeout=DEADLINE)
    assert answer.status_code < 300, answer.text
    return answer.json()


CHANGES = {
    "end": lambda machine, each, who: ask(machine, "DELETE", f"/sessions/{each}"),
    "end all": lambda machine, each, who: ask(machine, "DELETE", f"/sessions?subject={who}"),
    "change": lambda machine, each, who: ask(
        machine, "PATCH", f"/sessions/{each}", {"set": {"n": 1}}
    ),
    "rotate": lambda machine, each, who: ask(machine, "POST", f"/sessions/{each}/rotate", {}),
}


def test_no_proof_comes_before_the_change_that_it_covers(machines):
    """Made at one, changed at another, heard at every worker."""
    one, other = machines
    listening = [Listening(each.url) for each in (one, one, one, other)]
    try:
        assert len({each.clock for each in listening}) == 1
        begun = [each.told_before(1)[1] for each in listening]
        places = cycle((one, other, other, one))
        for number in range(ROUNDS):
            ids = {}
            for name, change in CHANGES.items():
                who = f"{name}-{number}"
                made = ask(next(places), "POST", "/sessions", {"subject": who})
                ids[name] = id = made["session"]["id"]
                change(next(places), id, who)
            moment = ask(next(places), "GET", "/changes/clock")["now"]
            for each in listening:
                told, _ = each.told_before(moment)
                assert [name for name, id in ids.items() if id not in told] == []
        assert [each.told_before(1)[1] for each in listening] == begun
    finally:
        for each in listening:
            each.close()
