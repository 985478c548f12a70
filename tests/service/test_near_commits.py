"""A commit that only changes data may start from what a near cache of the service knows.

Two services over one real Redis, each with a near cache: `here` commits, `there` is another worker.
"""

import asyncio

import httpx
import pytest

import redis_servers
from holdfast.service.app import create_app
from holdfast.service.backend import keys as service_keys
from service.clients import BASE, bearer, built
from service.test_backend import KEY, V1, facts

ENTRY = service_keys.entry("shop", service_keys.SCOPES, KEY)


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path_factory.mktemp("redis"))
    yield servers.start()
    servers.close()


class Worker:
    """A service of its own over the Redis of the test."""

    def __init__(self, context):
        self.context = context
        self._loop = asyncio.Runner()
        transport = httpx.ASGITransport(create_app(context))
        self._http = httpx.AsyncClient(transport=transport, base_url=BASE, headers=bearer(KEY))

    def ask(self, path, body, method="POST"):
        answer = self._loop.run(self._http.request(method, V1 + path, json=body))
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def begin(self, request):
        return self.ask("/requests/begin", {"request": request})

    def commit(self, request, **done):
        return self.ask("/requests/commit", {"request": request, "proof": "token", **done})

    def close(self):
        self._loop.run(self.context.assembly.store.close())
        self.context.close()
        self._loop.close()

    @property
    def table(self):
        return self.context.assembly.wrapped.stacks[0]._table


@pytest.fixture
def workers(tmp_path, clock, events, quick, redis):
    options = {"STORE": redis.url, "CACHE": "yes", "SERVICE_KEYS": ENTRY}
    found = [Worker(built(tmp_path / name, clock, events, **options)) for name in ("a", "b")]
    yield found
    for each in found:
        each.close()


@pytest.fixture
def here(workers):
    return workers[0]


@pytest.fixture
def there(workers):
    return workers[1]


@pytest.fixture
def post(here):
    """An unsafe request of Ada, whose session has a note."""
    made = here.ask("/sessions", {"subject": "ada", "data": {"note": 1}})
    cookie = made["cookie"]
    asked = {"request": facts(cookie=cookie), "csrf_token": True}
    token = here.ask("/requests/commit", asked)["csrf_token"]
    return facts("POST", cookie=cookie, x_csrf_token=token)


def known(worker, post):
    """Begin until the near cache of this worker knows the session; its id."""
    id = worker.begin(post)["session"]["id"]
    redis_servers.until(lambda: worker.begin(post) and worker.table.find(id))
    return id


def hits(worker):
    return worker.table.stats().hits


def test_the_store_is_not_read_again(here, post):
    """`begin` has read the session a moment ago, and the write finds out whether that still holds."""
    known(here, post)
    before = hits(here)
    done = here.commit(post, set={"note": 2}, base={"note": 1})
    assert done["session"]["data"] == {"note": 2}
    assert hits(here) == before + 1


def test_what_leads_to_a_token_or_ends_a_session_is_read_anew(here, post):
    """Only data may start from what is kept."""
    for done in ({"csrf_token": True}, {"intent": {"type": "sign_out"}}):
        known(here, post)
        before = hits(here)
        here.commit(post, **done)
        assert hits(here) == before


def deaf(monkeypatch, worker):
    """Changes reach its near cache no more, though it hears probes: as close before one as can be."""
    monkeypatch.setattr(worker.table, "changed", lambda _id: None)


def test_a_session_that_ended_elsewhere_is_not_revived(monkeypatch, here, there, post):
    """Also by who has not heard of it: the write does not find the record (promise 1)."""
    id = known(here, post)
    deaf(monkeypatch, here)
    there.ask(f"/sessions/{id}", None, method="DELETE")
    assert here.table.find(id) is not None
    done = here.commit(post, session=id, set={"note": 2}, base={"note": 1})
    assert done["reply"]["status"] == 401
    assert there.begin(post)["session"] is None


def test_what_is_kept_is_no_ground_for_a_refusal(monkeypatch, here, there, post):
    """The handler was given a newer value than this worker knows: that is no conflict."""
    id = known(here, post)
    deaf(monkeypatch, here)
    there.commit(post, set={"note": 2}, base={"note": 1})
    assert here.table.find(id) is not None
    done = here.commit(post, session=id, set={"note": 3}, base={"note": 2})
    assert done["reply"] is None
    assert there.begin(post)["session"]["data"] == {"note": 3}


def test_a_change_that_was_not_heard_of_is_not_written_over(monkeypatch, here, there, post):
    """The handler saw what is kept, the store has something else by now: 409, and other keys merge."""
    id = known(here, post)
    deaf(monkeypatch, here)
    there.commit(post, set={"note": 2}, base={"note": 1})
    assert here.table.find(id) is not None
    lost = here.commit(post, session=id, set={"note": 3}, base={"note": 1})
    assert lost["reply"]["status"] == 409
    assert here.commit(post, session=id, set={"other": 1}, base={})["reply"] is None
    assert there.begin(post)["session"]["data"] == {"note": 2, "other": 1}
