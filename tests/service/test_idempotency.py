"""`Idempotency-Key`: what is sent twice happens once, in whatever process, also after a failure."""

import asyncio
import hashlib
import hmac
import json

import pytest

import postgresql
import redis_servers
from holdfast.chain import Refusal
from holdfast.errors import NotDurable, StoreUnavailable
from holdfast.rules import sealing, secret
from holdfast.rules.keys import KeyRing
from holdfast.service.app import create_app
from holdfast.service.backend import keys as service_keys
from holdfast.service.backend.claims import RUNS_FOR, Answered, Claim, claim_id
from holdfast.testing.hooks import HookedStore
from postgresql import Schemas
from service.clients import KEYS, Client, bearer, built, outcome

KEY, OTHER, NARROW = ("hfk1_" + letter * 43 for letter in "kon")
V1 = "/backend/v1"
NAME = "8e03978e-40d5-43e8-bc93-6894a57f9324"
MOST = 20
ADA = {"subject": "ada", "data": {"cart": [1]}}


@pytest.fixture
def variables():
    entries = (
        service_keys.entry("shop", service_keys.SCOPES, KEY),
        service_keys.entry("other", service_keys.SCOPES, OTHER),
        service_keys.entry("narrow", ["tokens"], NARROW),
    )
    return {"SERVICE_KEYS": ", ".join(entries), "IDEMPOTENCY_KEYS": MOST}


def request(path="/sessions", body=ADA, *, key=KEY, name=NAME, method="POST"):
    headers = bearer(key) | ({} if name is None else {"Idempotency-Key": name})
    return method, V1 + path, {"json": body, "headers": headers}


@pytest.fixture
def ask(client):
    def ask(*arguments, **options):
        method, path, sent = request(*arguments, **options)
        return client.request(method, path, **sent)

    return ask


@pytest.fixture
def hooked(context):
    """The store, with hooks, under the engine and the claims."""
    hooked = HookedStore(context.assembly.store)
    context.claims._store = hooked
    core = context.sessions._core
    object.__setattr__(core, "store", hooked)
    object.__setattr__(core, "fresh", hooked)
    return hooked


def sessions_of_ada(ask):
    answer = ask("/sessions?subject=ada", None, method="GET", name=None)
    return len(answer.json()["sessions"])


# Once


def test_a_retry_gets_the_first_answer_and_makes_nothing(ask):
    """Cookie and all, and it says that it is no new one."""
    first, again = ask(), ask()
    assert (again.status_code, again.content) == (first.status_code, first.content) != (200, b"")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert sessions_of_ada(ask) == 1


def test_every_route_that_changes_something(ask):
    """A retry of each is answered as the first time, where carrying it out again would differ."""
    session = ask().json()["session"]
    path = f"/sessions/{session['id']}"
    tokens = ask("/tokens", {"subject": "eve"}, name=NAME + "1").json()
    facts = {"method": "POST", "scheme": "http", "host": "127.0.0.1:8080", "path": "/"}
    commit = {"request": facts | {"peer": "127.0.0.1"}, "proof": "token", "set": {"a": 1}}
    change = {"set": {"a": 1}, "if_version": session["version"]}
    for number, (method, route, body) in enumerate(
        (
            ("PATCH", path, change),
            ("POST", f"{path}/rotate", {}),
            ("POST", "/tokens", {"session": session["id"]}),
            ("POST", "/tokens/refresh", {"refresh_token": tokens["refresh_token"]}),
        )
    ):
        answers = [ask(route, body, name=f"{NAME}-{number}", method=method) for _ in "12"]
        assert answers[0].is_success, answers[0].text
        assert answers[0].content == answers[1].content
    answers = [ask("/requests/commit", commit, key=OTHER) for _ in "12"]
    assert answers[0].json()["session"]["data"] == {"a": 1}
    assert answers[0].content == answers[1].content
    access = {"token": tokens["access_token"]}
    assert [ask("/tokens/revoke", access, key=OTHER, name=NAME + "2").json() for _ in "12"] == [
        {"revoked": True}
    ] * 2


def test_another_key_another_request(ask):
    """Keys of other names, and of other service keys, have nothing to do with each other."""
    answers = [ask(), ask(name=NAME + "2"), ask(key=OTHER), ask(name=None)]
    assert len({answer.json()["session"]["id"] for answer in answers}) == 4


def test_both_spellings_are_one_key(ask):
    """A structured string, as the draft has it, and the bare text that most clients send."""
    assert ask(name=f'"{NAME}"').content == ask().content


def test_another_body_under_the_same_key(ask):
    """422, and nothing is done; nor for another path or method."""
    first = ask()
    assert outcome(ask(body=ADA | {"subject": "eve"})) == (422, "idempotency_key_reused")
    assert outcome(ask("/tokens")) == (422, "idempotency_key_reused")
    path = f"/sessions/{first.json()['session']['id']}"
    assert outcome(ask(path, method="PATCH")) == (422, "idempotency_key_reused")
    assert ask().content == first.content


def test_a_key_opens_no_scope(ask):
    """What a service key may not do, it may not have repeated either."""
    ask()
    assert outcome(ask(key=NARROW)) == (403, "scope_missing")
    assert outcome(ask(key="x")) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "name",
    ["", "short", "x" * 129, f'"{NAME}', f'{NAME}"', NAME + " ", NAME + ", " + NAME, "é" * 20],
)
def test_keys_of_another_shape(ask, name):
    """400 with a code."""
    assert outcome(ask(name=name.encode())) == (400, "idempotency_key_invalid")


def test_two_keys_in_one_request(client):
    """400: nobody can say which one counts."""
    headers = [*bearer(KEY).items(), ("Idempotency-Key", NAME), ("Idempotency-Key", NAME)]
    answer = client.post(f"{V1}/sessions", json=ADA, headers=headers)
    assert outcome(answer) == (400, "idempotency_key_invalid")


# At the same time


def test_of_several_at_once_one_is_carried_out(client, ask):
    """The others are told that it is under way, or get its answer; there is one session."""
    answers = client.all(*[request()] * 8)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert sessions_of_ada(ask) == 1


def test_one_that_comes_while_the_first_is_under_way(client, hooked):
    """409 with a code, and when to try again."""
    met = []

    async def retry():
        method, path, sent = request()
        met.append(await client.http.request(method, path, **sent))

    hooked.after("insert", lambda: None)
    hooked.after("insert", retry)  # the claim stands, and the session was just inserted
    assert client.request(*request()[:2], **request()[2]).status_code == 201
    assert outcome(met[0]) == (409, "idempotency_in_progress")
    assert met[0].headers["Retry-After"] == "1"


def test_other_processes_know(tmp_path, clock, events, variables, ask):
    """The claim lives in the store: a second service over it repeats the answer of the first."""
    first = ask()
    second = built(tmp_path, clock, events, **variables)
    try:
        method, path, sent = request()
        again = Client(create_app(second)).request(method, path, **sent)
    finally:
        second.close()
    assert again.content == first.content


# Refusals and failures


def test_a_refusal_is_not_kept(ask, clock):
    """Nothing was done, so a retry is judged anew."""
    path = f"/sessions/{ask(name=None).json()['session']['id']}"
    change = {"set": {"a": 1}, "if_version": "0"}
    for _ in "12":
        again = ask(path, change, method="PATCH")
        assert outcome(again) == (409, "conflict")
    assert "Idempotency-Replayed" not in again.headers


def fail(error):
    def raised():
        raise error

    return raised


def test_after_an_outage_in_the_middle_a_retry_completes(ask, hooked):
    """The insert happened and its answer was lost: nobody has that session's cookie, so there is one more."""
    hooked.after("insert", lambda: None)
    hooked.after("insert", fail(StoreUnavailable("cut")))
    assert outcome(ask()) == (503, "store_unavailable")
    done = ask()
    assert (done.status_code, ask().content) == (201, done.content)
    assert sessions_of_ada(ask) == 2


def test_an_outage_that_lasts(ask, hooked, clock):
    """The claim could not be given back: it is in the way for as long as a request may run."""
    hooked.after("insert", lambda: None)
    hooked.after("insert", fail(StoreUnavailable("cut")))
    hooked.before("delete", fail(StoreUnavailable("away")))
    assert outcome(ask()) == (503, "store_unavailable")
    assert outcome(ask()) == (409, "idempotency_in_progress")
    clock.advance(RUNS_FOR)
    assert ask().status_code == 201


def test_a_refresh_that_an_outage_has_cut_off(ask, hooked):
    """Within the grace a retry gets the tokens that were made then, and nobody is signed out (R109)."""
    tokens = ask("/tokens", {"subject": "eve"}, name=None).json()
    body = {"refresh_token": tokens["refresh_token"]}
    hooked.after("update", fail(StoreUnavailable("cut")))
    assert outcome(ask("/tokens/refresh", body)) == (503, "store_unavailable")
    done = ask("/tokens/refresh", body)
    assert done.status_code == 200
    again = ask("/tokens/refresh", {"refresh_token": done.json()["refresh_token"]}, name=None)
    assert again.status_code == 200


def test_what_was_not_proved_is_proved_by_a_retry(ask, hooked):
    """503 `not_durable` says that a retry is safe, so it is carried out."""
    path = f"/sessions/{ask(name=None).json()['session']['id']}/rotate"
    hooked.after("update", fail(NotDurable("cut")))
    assert outcome(ask(path, {})) == (503, "not_durable")
    assert ask(path, {}).status_code == 200


def test_a_refusal_that_commit_hands_on_is_not_kept(ask, hooked):
    """Its answer is a 200 around a refusal or an outage, which must not be repeated for a day."""
    facts = {"method": "POST", "scheme": "http", "host": "127.0.0.1:8080", "path": "/"}
    body = {"request": facts | {"peer": "127.0.0.1"}, "proof": "token", "set": {"a": 1}}
    hooked.before("insert", lambda: None)
    hooked.before("insert", fail(StoreUnavailable("cut")))
    assert ask("/requests/commit", body).json()["reply"]["status"] == 503
    assert ask("/requests/commit", body).json()["session"]["data"] == {"a": 1}
    late = body | {"session": "gone"}
    for _ in "12":
        again = ask("/requests/commit", late, name=NAME + "2")
        assert again.json()["reply"]["status"] == 401
    assert "Idempotency-Replayed" not in again.headers


def test_a_store_that_is_away_claims_nothing(ask, hooked):
    """503, and the retry is carried out."""
    hooked.before("insert", fail(StoreUnavailable("away")))
    assert outcome(ask()) == (503, "store_unavailable")
    assert ask().status_code == 201
    assert sessions_of_ada(ask) == 1


def test_an_answer_that_could_not_be_kept_is_given(ask, hooked, clock):
    """The first client has it; a retry is carried out once no other can be under way."""
    hooked.before("update", fail(StoreUnavailable("cut")))
    assert ask().status_code == 201
    assert outcome(ask()) == (409, "idempotency_in_progress")
    clock.advance(RUNS_FOR)
    assert ask().status_code == 201


def made(context, fingerprint=b"f"):
    """A claim, or the code of the refusal."""
    try:
        return asyncio.run(context.claims.make("shop", NAME, fingerprint))
    except Refusal as refused:
        return json.loads(refused.reply.body)["code"]


def test_a_process_that_died(context, clock):
    """Its claim stands for as long as a request may run; then one retry has it, for as long again."""
    dead = made(context)
    clock.advance(RUNS_FOR - 1)
    assert made(context) == "idempotency_in_progress"
    clock.advance(1)
    assert made(context, b"g") == "idempotency_key_reused"
    second = made(context)
    clock.advance(RUNS_FOR - 1)
    assert made(context) == "idempotency_in_progress"
    asyncio.run(context.claims.keep(dead, Answered(201, b"late")))  # it was only slow
    asyncio.run(context.claims.release(dead))
    assert made(context) == "idempotency_in_progress"
    asyncio.run(context.claims.keep(second, Answered(201, b"{}")))
    assert made(context) == Answered(201, b"{}")


def test_one_retry_takes_over(context, clock, hooked):
    """Of two that found the claim of a dead process, one is carried out."""
    made(context)
    clock.advance(RUNS_FOR)
    met = []

    async def overtake():
        met.append(await context.claims.make("shop", NAME, b"f"))

    hooked.before("update", overtake)
    assert made(context) == "idempotency_in_progress"
    assert isinstance(met[0], Claim)


def test_a_claim_that_was_taken_over_lives_no_longer(context, clock):
    """Its day began with the key."""
    made(context)
    clock.advance(12 * 3_600_000)
    assert isinstance(made(context), Claim)
    clock.advance(12 * 3_600_000)
    assert made(context, b"another").record.created_at == clock()


# Bounds


def test_a_key_lives_for_a_day(ask, clock):
    """Then it is a new one, whether or not the old was swept."""
    first = ask()
    clock.advance(24 * 3_600_000 - 1)
    assert ask().content == first.content
    clock.advance(1)
    second = ask()
    assert second.status_code == 201
    assert second.content != first.content
    assert ask().content == second.content


def test_an_expired_claim_is_replaced_by_one_only(client, clock, hooked, ask):
    """Two retries that both found it expired: the second does not remove the claim of the first."""
    ask()
    clock.advance(24 * 3_600_000)
    met = []

    async def overtake():
        method, path, sent = request()
        met.append(await client.http.request(method, path, **sent))

    hooked.before("delete", overtake)
    slow = ask()
    assert met[0].status_code == 201
    assert slow.content == met[0].content
    assert sessions_of_ada(ask) == 2


def test_so_many_keys_at_once(ask, clock):
    """429 for the next; what is known is still repeated, and after a day there is room again."""
    first, *_ = (ask(name=f"{NAME}-{n}") for n in range(MOST))
    refused = ask()
    assert outcome(refused) == (429, "too_many_idempotency_keys")
    assert int(refused.headers["Retry-After"]) > 60
    assert ask(name=f"{NAME}-0").content == first.content
    assert ask(key=OTHER).status_code == 201
    clock.advance(26 * 3_600_000)  # a quota comes back a sixteenth late
    assert ask().status_code == 201


def test_they_are_swept(ask, context, clock):
    """Nothing of them stays."""
    made = ask().json()
    clock.advance(24 * 3_600_000)
    asyncio.run(context.sessions.revoke(made["session"]["id"]))
    assert asyncio.run(context.sessions.sweep()) >= 1
    assert asyncio.run(context.assembly.store.page()).records == ()


# Secrets


def test_nothing_of_an_answer_lies_readable_in_the_store(ask, context, tmp_path):
    """No cookie, no token, no name (promise 4)."""
    cookie = ask().json()["cookie"]
    token = ask("/tokens", {"subject": "eve"}, name=NAME + "2").json()["refresh_token"]
    context.assembly.blocking_store.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*.db*"))
    assert b"ada" in stored
    for hidden in (cookie.rpartition(".")[2], token, NAME):
        assert hidden.encode() not in stored


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/sessions/{id}", None),
        ("PATCH", "/sessions/{id}", {"set": {"a": 1}}),
        ("POST", "/sessions/{id}/rotate", {}),
        ("DELETE", "/sessions/{id}", None),
        ("POST", "/tokens", {"session": "{id}"}),
        ("POST", "/tokens/revoke", {"jti": "{id}.abcdefghijklmnop.1"}),
        ("POST", "/tokens/revoke", {"jti": "{id}.abcdefghijkl"}),
    ],
)
def test_a_claim_is_no_session_that_anybody_can_read_or_change(ask, context, method, path, body):
    """Who knows its id, with whichever key, finds nothing there: the request happens once."""
    first, id = ask(), _id(context, NAME)
    given = json.loads(json.dumps(body).replace("{id}", id))
    answer = ask(path.format(id=id), given, method=method, name=None, key=OTHER)
    assert outcome(answer) == (404, "not_found")
    assert ask().content == first.content


def test_answers_survive_a_new_secret_and_not_its_retirement(ask, context):
    """While the old key verifies they are repeated; later nobody knows, and nothing is done twice."""
    first = ask()
    rotated = KEYS.rotated("tests only: brine 9 eight herons 1127, two otters")
    assert isinstance(rotated, KeyRing)
    object.__setattr__(context.assembly, "keys", rotated)
    assert ask().content == first.content
    object.__setattr__(context.assembly, "keys", rotated.retired(KEYS.masters[0].kid))
    assert outcome(ask()) == (409, "idempotency_outcome_unknown")


def test_a_sealed_answer_moves_to_no_other_claim(context):
    """It is bound to its id, as sealed data is to its session."""
    claim = asyncio.run(context.claims.make("shop", NAME, b"f"))
    key = context.assembly.keys.derive("idempotency")[0]
    assert sealing.unseal(key, claim.record.id, claim.record.data) is not None
    assert sealing.unseal(key, _id(context, "another"), claim.record.data) is None


def test_nobody_works_out_the_id_of_a_claim(ask, context):
    """It needs the store's salt: what ends sessions must not meet a claim that was made a moment ago."""
    ask()
    get = context.assembly.blocking_store.get
    assert get(_id(context, NAME), now=0).record is not None
    named = f"holdfast/1/idempotency\0shop\0{NAME}".encode()
    for digest in (hashlib.sha256(named).digest(), hmac.digest(b"", named, "sha256")):
        id = secret.new_id(secret.random_tag(digest), digest[-secret.ID_BYTES :])
        assert get(id, now=0).record is None
    assert claim_id(b"another store", "shop", NAME) != _id(context, NAME)


def _id(context, name):
    return claim_id(context.assembly.blocking_store.salt(), "shop", name)


# Every store


@pytest.fixture
def redis_url(tmp_path):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path / "redis")
    yield servers.start().url
    servers.close()


@pytest.fixture
def postgres_url():
    schemas = Schemas(postgresql.server())
    yield schemas.url()
    schemas.release()


@pytest.mark.parametrize("store", ["memory", "redis", "postgres"])
def test_machines_share_their_claims(tmp_path, clock, events, quick, variables, store, request):
    """Two machines over one store, at once and later: one session, and one answer."""
    url = "memory://" if store == "memory" else request.getfixturevalue(f"{store}_url")
    given = variables | {"STORE": url, "STORE_TIMEOUT": "2s", "USERS": f"sqlite:///{tmp_path}/u.db"}
    machines = [built(tmp_path / name, clock, events, **given) for name in "ab"]
    if store == "memory":
        machines = machines[:1]
    try:
        statuses, answers = asyncio.run(_raced(machines))
    finally:
        for machine in machines:
            machine.close()
    assert set(statuses) <= {201, 409}
    assert len(set(answers)) == 1


async def _raced(machines):
    """Statuses of five requests at each machine at once, and the contents of a retry at each."""
    clients = [Client(create_app(machine)).http for machine in machines]
    method, path, sent = request()
    racing = [client.request(method, path, **sent) for client in clients for _ in range(5)]
    first = await asyncio.gather(*racing)
    later = [await client.request(method, path, **sent) for client in clients]
    assert {answer.status_code for answer in later} == {201}
    for machine in machines:
        await machine.assembly.store.close()  # its connections belong to this loop
    won = [answer.content for answer in first if answer.status_code == 201]
    return [answer.status_code for answer in first], won + [answer.content for answer in later]
