"""What answers may lie: our password goes to no host that only a reply has named, and nothing else breaks."""

import pytest

from holdfast.errors import ConfigurationError, StoreError, StoreUnavailable
from holdfast.stores.redis.keys import SLOT_OF
from redis_impostor import SLOTS, info

PASSWORD = "hunter2"
GARBAGE = [
    b":1\r\n",
    b"*0\r\n",
    b"$-1\r\n",
    b"+OK\r\n",
    b"*1\r\n:1\r\n",
    b"*2\r\n$2\r\nip\r\n$1\r\n\xff\r\n",
]
KINDS = {
    "redis": "redis://:{password}@127.0.0.1:{port}",
    "sentinel": "redis+sentinel://:{password}@127.0.0.1:{port}/main?sentinel_password={password}",
    "cluster": "redis+cluster://:{password}@127.0.0.1:{port}",
}


def logged_in(impostor):
    return any(command[0] == b"AUTH" for command in impostor.heard)


def sending(word, port, *, clustered=0, slots=b"-ERR\r\n"):
    """A server that sends everybody who asks for a key to that port."""

    def answer(command):
        if command[0] == b"INFO":
            return info(clustered)
        if command[0] == b"CLUSTER":
            return slots
        if command[0] not in {b"EVALSHA", b"EVAL"}:
            return b"+OK\r\n"
        tag = command[3].partition(b"{")[2][:2].decode()
        return f"-{word} {SLOT_OF[tag]} 127.0.0.1:{port}\r\n".encode()

    return answer


@pytest.mark.parametrize("word", ["MOVED", "ASK"])
def test_a_single_server_sends_us_nowhere(impostor, opening, face, word):
    """As redis-py has it: only a Cluster has several servers."""
    stranger = impostor()
    front = impostor(sending(word, stranger.port))
    store = opening(KINDS["redis"].format(password=PASSWORD, port=front.port), face, timeout=1.0)
    with pytest.raises(StoreError, match="elsewhere"):
        store.salt()
    assert logged_in(front)
    assert stranger.heard == []


@pytest.mark.parametrize("word", ["MOVED", "ASK"])
def test_a_cluster_does(impostor, opening, face, word):
    """Whoever answers in its place is believed; the page on Redis says what keeps others out."""
    stranger = impostor()
    front = impostor()
    slots = SLOTS + f":{front.port}\r\n".encode()
    front._answer = sending(word, stranger.port, clustered=1, slots=slots)
    store = opening(KINDS["cluster"].format(password=PASSWORD, port=front.port), face, timeout=1.0)
    with pytest.raises(StoreError):
        store.salt()
    assert logged_in(stranger)


@pytest.mark.parametrize("reply", GARBAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_what_answers_is_no_redis(impostor, opening, face, kind, reply):
    """Refused at the start, or 503 as for a server that is away; never an error of another kind."""
    url = KINDS[kind].format(password=PASSWORD, port=impostor(lambda _command: reply).port)
    with pytest.raises((ConfigurationError, StoreUnavailable)):
        opening(url, face, timeout=1.0).salt()


def test_a_cluster_that_sends_us_to_no_place(impostor, opening, face):
    front = impostor()
    slots = SLOTS + f":{front.port}\r\n".encode()
    sends = sending("MOVED", 1, clustered=1, slots=slots)
    nowhere = b"-MOVED somewhere\r\n"
    front._answer = lambda command: nowhere if command[0] == b"EVALSHA" else sends(command)
    store = opening(KINDS["cluster"].format(password=PASSWORD, port=front.port), face, timeout=1.0)
    with pytest.raises(StoreError, match="cannot be read"):
        store.salt()
