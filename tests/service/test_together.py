"""`requests/together`: several questions in one call, each answered as if it had come alone."""

import asyncio
import json

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.record import changed
from holdfast.service.backend import keys as service_keys
from holdfast.service.backend import together
from holdfast.testing.hooks import HookedStore
from service.clients import bearer, outcome

KEY, NARROW = ("hfk1_" + letter * 43 for letter in "kn")
V1 = "/backend/v1"
TOGETHER = f"{V1}/requests/together"
HOST = "127.0.0.1:8080"
FACTS = {"method": "GET", "scheme": "http", "host": HOST, "path": "/", "peer": "127.0.0.1"}


@pytest.fixture
def variables():
    entries = (
        service_keys.entry("shop", service_keys.SCOPES, KEY),
        service_keys.entry("narrow", ["sessions"], NARROW),
    )
    return {"SERVICE_KEYS": ", ".join(entries)}


@pytest.fixture
def post(client):
    return lambda path, body: client.post(V1 + path, json=body, headers=bearer(KEY))


@pytest.fixture
def together_(client):
    """Ask several; a question may be bytes."""

    def ask(asks, key=KEY):
        lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in asks]
        headers = bearer(key) | {"Content-Type": "application/jsonl"}
        return client.post(TOGETHER, content=b"\n".join(lines), headers=headers)

    return ask


@pytest.fixture
def signed_in(post):
    """Facts of requests of some users, and the ids of their sessions."""

    def signed_in(*subjects):
        made = [post("/sessions", {"subject": each, "data": {"n": 0}}).json() for each in subjects]
        facts = [
            FACTS
            | {"method": "POST", "headers": {"host": HOST, "cookie": f"session={each['cookie']}"}}
            for each in made
        ]
        return facts, [each["session"]["id"] for each in made]

    return signed_in


@pytest.fixture
def hooked(context):
    hooked = HookedStore(context.assembly.store)
    object.__setattr__(context.sessions._core, "store", hooked)
    return hooked


def lines(answer):
    """Status and body of each question, in the order in which they were asked."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/jsonl"
    found = sorted(json.loads(line) for line in answer.text.splitlines())
    assert [place for place, *_ in found] == list(range(len(found)))
    return [rest for _, *rest in found]


def test_each_is_answered_as_if_it_had_come_alone(post, together_, signed_in):
    """Judgements, refusals and commits of different browsers, in any mixture."""
    (ada, bob), _ = signed_in("ada", "bob")
    asks = [
        ["begin", {"request": bob | {"method": "GET"}, "keep": True}],
        ["begin", {"request": ada}],
        ["commit", {"request": ada, "proof": "token", "set": {"n": 1}}],
        ["begin", {"request": FACTS}],
    ]
    answers = lines(together_(asks))
    alone = [post(f"/requests/{kind}", body) for kind, body in (asks[0], asks[1], asks[3])]
    assert [status for status, _ in answers] == [200] * 4
    found = [body for _, body in answers]
    assert [found[0]["session"], *found[1::2]] == [alone[0].json()["session"], *_json(alone[1:])]
    assert (found[1]["reply"]["status"], found[2]["session"]["data"]) == (403, {"n": 1})


def _json(answers):
    return [each.json() for each in answers]


BROKEN = [
    b'["begin", {"request": {"path": "\\ud800"}}]',
    b'["begin", ' + b"[" * 5000 + b"]" * 5000 + b"]",
    b'["begin", {"request": "\xff"}]',
    b'["begin", {"request": {"method": 7}}]',
    b'["end", {}]',
    b'["begin"]',
    b'["begin", {}',
    b"",
]


def test_none_hears_of_anothers_mistake(together_, signed_in):
    """Each is refused by itself, be it no JSON at all: what is in it may come from a client (P37)."""
    (ada,), _ = signed_in("ada")
    signs_in = {"request": ada, "proof": "token", "intent": {"type": "sign_in", "subject": ""}}
    well = ["begin", {"request": ada | {"method": "GET"}}]
    answers = lines(together_([*BROKEN, ["commit", signs_in], well]))
    assert [(status, body.get("code")) for status, body in answers] == [
        *[(400, "invalid_body")] * len(BROKEN),
        (400, "usage_error"),
        (200, None),
    ]


def test_a_line_feed_in_stored_data_ends_no_line(together_, signed_in, context):
    """Who wrote the record may have put white space into its JSON."""
    (ada, bob), (id, _) = signed_in("ada", "bob")
    store = context.assembly.blocking_store
    record = store.get(id, now=context.clock()).record
    data = b'{\n  "a": "x\\ny"\n}'
    assert store.update(changed(record, data=data, version=7), expected=record.version)
    asks = [["begin", {"request": each | {"method": "GET"}}] for each in (ada, bob)]
    answers = lines(together_(asks))
    assert [body["session"]["data"] for _, body in answers] == [{"a": "x\ny"}, {"n": 0}]


def test_none_hears_of_anothers_outage(together_, signed_in, hooked):
    """One commit could not be written; it says so, and when to come again."""

    def away():
        raise StoreUnavailable("away")

    facts, _ = signed_in("ada", "bob")
    hooked.before("update", away)
    asks = [["commit", {"request": each, "proof": "token", "set": {"n": 1}}] for each in facts]
    answers = lines(together_(asks))
    replies = [body["reply"] for _, body in answers]
    assert sorted(reply["status"] if reply else 200 for reply in replies) == [200, 503]


def test_none_hears_of_anothers_bug(together_, monkeypatch, caplog):
    """What nobody foresaw is logged, and answered without details, to the one whose it is."""
    real = together.begun

    async def begun(context, wanted):
        if wanted.request.path == "/bug":
            raise ZeroDivisionError("s3cret")
        return await real(context, wanted)

    monkeypatch.setattr(together, "begun", begun)
    asks = [["begin", {"request": FACTS | {"path": path}}] for path in ("/bug", "/")]
    (failed, well) = lines(together_(asks))
    assert (failed[0], failed[1]["code"], "s3cret" in str(failed)) == (500, "internal_error", False)
    assert (well[0], "s3cret" in caplog.text) == (200, True)


def test_an_outage_that_raises_says_when_to_come_again(together_, monkeypatch):
    """As `Retry-After` does for one question."""

    async def begun(context, wanted):
        raise StoreUnavailable("away")

    monkeypatch.setattr(together, "begun", begun)
    ((status, body, wait),) = lines(together_([["begin", {"request": FACTS}]]))
    assert (status, body["code"], wait) == (
        503,
        "store_unavailable",
        StoreUnavailable("").retry_after,
    )


def test_who_is_done_waits_for_nobody(client, signed_in, hooked):
    """An answer goes out while another question still waits for the store."""
    (ada,), _ = signed_in("ada")
    going_on, parts = asyncio.Event(), []
    hooked.before("update", going_on.wait)
    asks = [
        ["commit", {"request": ada, "proof": "token", "set": {"n": 1}}],
        ["begin", {"request": FACTS}],
    ]
    body = "\n".join(map(json.dumps, asks)).encode()

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        if message["type"] == "http.response.body" and message.get("body"):
            parts.append(message["body"])
            going_on.set()

    asyncio.run(client.http._transport.app(_scope(), receive, send))
    assert [json.loads(part)[0] for part in parts] == [1, 0]


def _scope():
    named = bearer(KEY) | {"content-type": "application/jsonl", "host": HOST}
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": TOGETHER,
        "raw_path": TOGETHER.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), text.encode()) for name, text in named.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "app": None,
    }


def test_too_many_at_once(together_):
    """400 (P37)."""
    asks = [["begin", {"request": FACTS}]]
    assert len(lines(together_(asks * together.MOST))) == together.MOST
    assert outcome(together_(asks * (together.MOST + 1))) == (400, "invalid_body")


def test_another_media_type(post):
    """415: a list of questions is no line."""
    assert outcome(post("/requests/together", [])) == (415, "unsupported_media_type")


def test_the_scope_counts(together_):
    """A key for sessions judges no requests."""
    asks = [["begin", {"request": FACTS}]]
    assert outcome(together_(asks, NARROW)) == (403, "scope_missing")
