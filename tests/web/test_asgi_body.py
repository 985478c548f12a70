"""A body that was looked into is handed on whole, and costs no more than its bytes."""

import asyncio

import pytest

from holdfast.chain.request import MAX_FORM
from holdfast.web.asgi_body import Body

FORM = "application/x-www-form-urlencoded"
GONE = {"type": "http.disconnect"}


def part(data, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


def told(messages, *, then=0):
    """The field, and what the application gets: all that was buffered, and `then` more."""
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    async def story():
        body = Body(receive, FORM)
        field = await body.field("csrf_token")
        asked = len(messages) - len(waiting)
        got = []
        while sum(len(each.get("body", b"")) for each in got) < asked_bytes(messages[:asked]):
            got.append(await body.receive())
        return field, got + [await body.receive() for _ in range(then)]

    return asyncio.run(story())


def asked_bytes(messages):
    return sum(len(each.get("body", b"")) for each in messages)


def test_a_form_that_comes_by_the_byte_is_kept_in_one_piece():
    """Each byte as a message of its own would take three hundred times its room (promise 7)."""
    text = b"csrf_token=abc&pad=" + b"x" * (2 * MAX_FORM)
    field, got = told([part(bytes([each])) for each in text])
    assert field == "abc"
    assert [(each["body"], each["more_body"]) for each in got] == [(text[:MAX_FORM], True)]


@pytest.mark.parametrize("pieces", [1, 3], ids=["at once", "in pieces"])
def test_what_follows_is_read_as_it_comes(pieces):
    """The rest of a long body, its end, and that the client has gone, in their order."""
    start, rest = [part(b"a" * (MAX_FORM // pieces + 1))] * pieces, [part(b"b"), part(b"c", False)]
    _, got = told([*start, *rest, GONE], then=3)
    assert got[-3:] == [*rest, GONE]
    assert b"".join(each["body"] for each in got[:-3]) == b"a" * asked_bytes(start)


def test_a_short_body_ends():
    """Its one message says so."""
    assert told([part(b"csrf_token="), part(b"abc", more=False)]) == (
        "abc",
        [part(b"csrf_token=abc", more=False)],
    )


def test_a_client_that_goes_meanwhile_has_gone():
    """What it has sent is no whole body."""
    field, got = told([part(b"csrf_token=abc&x"), GONE], then=1)
    assert (field, got) == ("abc", [part(b"csrf_token=abc&x"), GONE])
