"""A body that is not as declared is 422, also where FastAPI cannot repeat it; its answer is else as ever."""

import pytest
from fastapi import Body, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from holdfast.testing import client
from holdfast.web import fastapi as holdfast

SECRET = "a secret for tests: kelp 4 seven otters 0291"
UNREPEATABLE = {
    "NaN": '{"email": NaN}',
    "infinite": '{"email": 1e999}',
    "half a character": r'{"email": ["\ud800"]}',
}


def login(email: str = Body(embed=True)):
    """Nothing."""


async def of_the_application(_request, _error):
    return JSONResponse({"error": "of the application"}, 400)


@pytest.fixture
def send():
    made = []

    def sent(body, *, before=None, after=None):
        app = FastAPI()
        app.post("/login")(login)
        if before:
            app.add_exception_handler(RequestValidationError, before)
        made.append(holdfast.Holdfast(app, secret=SECRET, store="memory://"))
        if after:
            app.add_exception_handler(RequestValidationError, after)
        browser = client(app, raise_server_exceptions=False)
        return browser.post("/login", content=body, headers={"Content-Type": "application/json"})

    yield sent
    for each in made:
        each.assembly.close()


@pytest.mark.parametrize("body", UNREPEATABLE.values(), ids=UNREPEATABLE)
def test_what_json_cannot_repeat(send, body):
    """FastAPI alone answers 500; the shape is that of its document, `HTTPValidationError`."""
    answer = send(body)
    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert (detail["type"], detail["loc"]) == ("malformed", ["body"])


def test_what_is_nested_as_deep_as_python_just_reads(send):
    """At some depths the reading still works and the writing no more."""
    texts = ('{"email": ' + "[" * deep + "]" * deep + "}" for deep in range(930, 980, 2))
    assert {send(text).status_code for text in texts} <= {400, 422}


def test_fastapis_own_answer_is_as_ever(send):
    answer = send('{"email": 5}')
    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert (detail["loc"], detail["input"]) == (["body", "email"], 5)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_of_the_application_stays(send, when):
    answer = send(UNREPEATABLE["NaN"], **{when: of_the_application})
    assert (answer.status_code, answer.json()["error"]) == (400, "of the application")
