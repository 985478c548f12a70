"""A server that greets well and answers scripts with what no script returns: 503, never another error."""

import asyncio
from contextlib import suppress

import pytest

from holdfast.errors import RecordReadOnly, StoreUnavailable
from holdfast.faces import run
from holdfast.protocols import Cap, Replacing, Take
from holdfast.record import Policy, Record
from holdfast.stores import open_both
from holdfast.stores.redis import scripts
from holdfast.stores.redis.foreign import open_foreign
from holdfast.stores.redis.keys import ALL_TAGS
from holdfast.stores.remote import Changed
from holdfast.testing import BlockingStore
from redis_impostor import SLOTS, info

SALT = b"$33\r\n" + b"s" * 32 + b"!\r\n"
ID = ALL_TAGS[7] + "x" * 23
RECORD = Record(
    id=ID,
    secret_hash=b"h" * 32,
    created_at=1,
    seen_at=1,
    expires_at=2,
    policy=Policy("default", 1000, 7000),
    version=1,
)
NUMBERS = {
    "minus": b":-7\r\n",
    "seven": b":7\r\n",
    "huge": b":9223372036854775807\r\n",
}
VALUES = {
    "nothing": b"$-1\r\n",
    "text": b"$2\r\n\xff\xfe\r\n",
    "long text": b"$80\r\n" + b"9" * 80 + b"\r\n",
    "more digits than Python reads": b"$5000\r\n" + b"9" * 5000 + b"\r\n",
}
OTHERS = {
    "too huge": b":99999999999999999999999\r\n",
    "no list": b"*-1\r\n",
    "empty list": b"*0\r\n",
    "list of nothing": b"*2\r\n$-1\r\n$-1\r\n",
    "list of a number": b"*1\r\n:1\r\n",
    "list of lists": b"*3\r\n*0\r\n*1\r\n:1\r\n*0\r\n",
    "list of numbers": b"*3\r\n:1\r\n:1\r\n:1\r\n",
    "long list": b"*90\r\n" + b":1\r\n" * 90,
    "list of two letters": b"*1\r\n$2\r\n\xff\xfe\r\n",
    "an error inside": b"*2\r\n$1\r\nx\r\n-ERR no\r\n",
    "an answer and too little": b"*2\r\n$66\r\n" + b"x" * 66 + b"\r\n*1\r\n:1\r\n",
    "true": b"#t\r\n",
    "a fraction": b",1.5\r\n",
    "a map": b"%1\r\n+a\r\n:1\r\n",
    "a map of lists": b"%1\r\n*0\r\n:1\r\n",
    "what nobody asked for": b">2\r\n+invalidate\r\n*0\r\n",
}
ANY = {**NUMBERS, **VALUES, **OTHERS}
TAKE = Take(f"s/{ID}/5/60000", 5, 60_000, b"h" * 32)


def raise_epoch(store):
    if isinstance(store, BlockingStore):
        return store._wait(store._store.raise_epoch(3))
    return store.raise_epoch(3)


VERBS = {
    "get": lambda store: store.get(ID, now=1),
    "get and take": lambda store: store.get(ID, now=1, take=TAKE),
    "get and take elsewhere": lambda store: store.get(ID, now=1, take=Take("ip/1", 5, 60_000)),
    "take": lambda store: store.take("ip/1", limit=5, period=60_000, now=1),
    "insert": lambda store: store.insert(RECORD, now=1, cap=Cap(3, "evict_oldest")),
    "replace": lambda store: store.insert(
        RECORD, now=1, replacing=Replacing(ALL_TAGS[3] + "x" * 23, 1)
    ),
    "update": lambda store: store.update(RECORD, expected=1),
    "update durably": lambda store: store.update(RECORD, expected=1, durable=True),
    "touch": lambda store: store.touch(ID, seen_at=1, expires_at=2),
    "delete": lambda store: store.delete(ID),
    "delete in passing": lambda store: store.delete(ID, expected=1, durable=False),
    "page": lambda store: store.page("alice"),
    "page of all": lambda store: store.page(),
    "delete all": lambda store: store.delete_all("alice"),
    "purge": lambda store: store.purge(now=1),
    "bump epoch": lambda store: store.bump_epoch(),
    "raise epoch": raise_epoch,
}
NO_RECORD = {"nothing", "no list"}
FAIR = {
    "get": {*VALUES, *NO_RECORD},
    "get and take": {*NO_RECORD, "list of two letters"},
    "update": {"true"},
    "get and take elsewhere": {*VALUES, *NO_RECORD},
    "take": {"list of numbers"},
    "replace": VALUES.keys() - NO_RECORD,
    "raise epoch": {"seven"},
}
"""What a server may say: there is no such record, it is damaged or newer; or a number that may be."""


def garbage(front, reply, *, clustered=0):
    """The salt and the greeting are right, and nothing else."""
    slots = SLOTS + f":{front.port}\r\n".encode()

    def answer(command):
        if command[0] == b"INFO":
            return info(clustered)
        if command[0] == b"CLUSTER":
            return slots
        if command[0] == b"WAIT":
            return b":0\r\n"
        if command[0] in {b"EVALSHA", b"EXISTS", b"GET"}:
            return SALT if command[1] == scripts.SALT.sha else reply
        return b"+OK\r\n"

    return answer


@pytest.fixture(params=["redis", "redis+cluster"])
def lying(request, impostor):
    """The URL of a server that answers all scripts with this."""

    def start(reply):
        front = impostor()
        front._answer = garbage(front, reply, clustered=int(request.param != "redis"))
        return f"{request.param}://127.0.0.1:{front.port}"

    return start


@pytest.mark.parametrize("what", ANY)
def test_no_verb_takes_it_for_an_answer(lying, opening, face, what):
    """Nor for a damaged record, whose session would be ended (P20)."""
    store = opening(lying(ANY[what]), face, timeout=0.4)
    for name, verb in VERBS.items():
        if what in FAIR.get(name, ()):
            with suppress(RecordReadOnly, StoreUnavailable):  # on a busy machine, too late
                verb(store)
            continue
        with pytest.raises(StoreUnavailable):
            raise AssertionError(f"{name}: {verb(store)}")


def scripted(front, replies):
    """As `garbage`, with these replies to some scripts, and records in all tags."""
    good = garbage(front, b":1\r\n")
    by_hash = {script.sha: reply for script, reply in replies.items()}
    return lambda command: by_hash.get(b"".join(command[1:2])) or good(command)


def resp(*values):
    """A list of numbers, texts and lists."""
    parts = [
        resp(*each)
        if isinstance(each, list)
        else f":{each}\r\n".encode()
        if isinstance(each, int)
        else f"${len(each)}\r\n{each}\r\n".encode()
        for each in values
    ]
    return f"*{len(values)}\r\n".encode() + b"".join(parts)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("members", [[], ["x" * 23]])
def test_sessions_of_which_there_are_always_more(impostor, opening, face, members):
    """The list on which they are must grow shorter."""
    front = impostor()
    front._answer = scripted(front, {scripts.DELETE_ALL: resp(500, 7000, [], members)})
    store = opening(f"redis://127.0.0.1:{front.port}", face)
    with pytest.raises(StoreUnavailable, match="replies that are none"):
        store.delete_all("alice")
    asked = [command for command in front.heard if command[1:2] == [scripts.DELETE_ALL.sha]]
    assert len(asked) == 2


@pytest.mark.timeout(20)
def test_ends_of_which_there_are_always_more(impostor, opening, face):
    """What does not get less is left for the next time."""
    front = impostor()
    front._answer = scripted(front, {scripts.DUE: b":1\r\n", scripts.PURGE: resp(0, 1)})
    store = opening(f"redis://127.0.0.1:{front.port}", face)
    assert store.purge(now=1) == 0
    asked = [command for command in front.heard if command[1:2] == [scripts.PURGE.sha]]
    assert len(asked) == 25 * len(ALL_TAGS)


def test_more_ends_than_were_asked_for(impostor, opening, face):
    front = impostor()
    front._answer = scripted(front, {scripts.DUE: b":1\r\n", scripts.PURGE: resp(101, 1)})
    store = opening(f"redis://127.0.0.1:{front.port}", face)
    with pytest.raises(StoreUnavailable):
        store.purge(now=1)


@pytest.mark.parametrize("members", ["aa", "ba", "bb"])
def test_pages_that_lead_nowhere(impostor, opening, face, members):
    """Whoever walks through them would never come to an end."""
    rows = [part for each in members for part in (each * 23, "value")]
    front = impostor()
    front._answer = scripted(
        front,
        {scripts.PAGE_OF: resp([], rows), scripts.PAGE_TAG: resp(*rows)},
    )
    store = opening(f"redis://127.0.0.1:{front.port}", face)
    with pytest.raises(StoreUnavailable):
        store.page("alice", after="~")
    with pytest.raises(StoreUnavailable):
        store.page("alice")
    with pytest.raises(StoreUnavailable):
        store.page()


@pytest.mark.timeout(20)
def test_keys_in_a_circle(impostor):
    """Of another program's keys, which are found page by page."""
    front = impostor()
    good = garbage(front, b"$-1\r\n")
    page = resp("7", ["key"])
    front._answer = lambda command: page if command[0] == b"SCAN" else good(command)
    keys = open_foreign(f"redis://127.0.0.1:{front.port}", 1)
    try:
        with pytest.raises(StoreUnavailable):
            run(keys.blocking.beginning_with("session:"))
    finally:
        keys.close()


@pytest.mark.parametrize("what", ["huge", "list of numbers", "empty list"])
def test_among_many_calls_of_one_moment(lying, what):
    both = open_both(lying(ANY[what]), timeout=0.4)
    try:
        calls = [
            both.together.store.get(ID, now=1),
            both.together.store.touch(ID, seen_at=1, expires_at=2),
        ]
        assert all(isinstance(each, StoreUnavailable) for each in both.together.run(calls))
    finally:
        both.blocking.close()


@pytest.mark.parametrize("what", ["huge", "list of numbers", "empty list"])
def test_on_a_loop_that_asks_side_by_side(lying, what):
    async def go():
        store = open_both(lying(ANY[what]), timeout=0.4).asynchronous
        calls = [store.get(ID, now=1), store.get(ID, now=1, take=TAKE), VERBS["touch"](store)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        await store.close()
        return results

    assert all(isinstance(each, StoreUnavailable) for each in asyncio.run(go()))


@pytest.mark.parametrize("salt", [b"$5\r\nshort\r\n", b":5\r\n", b"$-1\r\n", b"*0\r\n"])
def test_a_salt_that_is_none(impostor, opening, face, salt):
    """Under another salt no list of a subject would be found."""
    front = impostor(lambda command: info(0) if command[0] == b"INFO" else salt)
    with pytest.raises(StoreUnavailable):
        opening(f"redis://127.0.0.1:{front.port}", face, timeout=0.4).salt()


@pytest.mark.parametrize(
    "place", ["127.0.0.1:70000", "127.0.0.1:0", "a..b:6379", "x" * 300 + ":1", "somewhere"]
)
@pytest.mark.parametrize("word", ["MOVED", "ASK"])
def test_a_place_where_nothing_can_be(impostor, opening, face, word, place):
    front = impostor()
    good = garbage(front, f"-{word} 7 {place}\r\n".encode(), clustered=1)
    front._answer = good
    store = opening(f"redis+cluster://127.0.0.1:{front.port}", face, timeout=0.4)
    with pytest.raises(StoreUnavailable):
        store.get(ID, now=1)


@pytest.mark.parametrize(
    "port", [b":0\r\n", b":70000\r\n", b"$4\r\n6379\r\n", b"*0\r\n", b"$-1\r\n"]
)
def test_a_map_that_leads_nowhere(impostor, opening, face, port):
    front = impostor()
    good = garbage(front, b"$-1\r\n", clustered=1)
    front._answer = lambda command: SLOTS + port if command[0] == b"CLUSTER" else good(command)
    with pytest.raises(StoreUnavailable):
        opening(f"redis+cluster://127.0.0.1:{front.port}", face, timeout=0.4).get(ID, now=1)


def test_a_host_that_has_no_such_name(opening, face):
    with pytest.raises(StoreUnavailable):
        opening("redis://a..b:6379", face, timeout=0.4).salt()


@pytest.mark.parametrize(
    "what", ["nothing", "seven", "list of numbers", "a map", "list of nothing"]
)
@pytest.mark.parametrize("fence", ["no", "yes"])
def test_on_the_line_for_changes(impostor, fence, what):
    """Neither a change nor an answer, and no error of Python; the line is given up or just not heard."""
    told = {"message": b">2\r\n" + ANY[what] * 2}
    told["probe"] = ANY[what]

    def answer(command):
        if command[0] == b"INFO":
            return info(0)
        if command[0] in {b"PERSIST", b"EXPIRE"}:
            return told["message"] + told["probe"]
        return b":1\r\n" if command[0] == b"WAIT" else b"+OK\r\n"

    url = f"redis://127.0.0.1:{impostor(answer).port}?fence={fence}&replicas=1"
    both = open_both(url, timeout=0.4)
    line = both.remote.dial(both.remote.lines()[0])
    try:
        line.probe(1)
        with suppress(StoreUnavailable):
            assert not set(map(type, line.receive(0.2))) & {Changed}
    finally:
        line.close()
        both.blocking.close()
