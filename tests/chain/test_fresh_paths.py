"""Which requests are never answered from a near cache."""

import pytest

from chain.facts import as_cookie
from holdfast.settings import Settings

FRESH = ("/admin/", "/pay", "/half")


@pytest.fixture
def settings():
    return Settings(fresh_paths=FRESH, rates={"/cart": None})


@pytest.fixture
def asked(steps, monkeypatch):
    """What the engine was asked for, as `fresh`."""
    engine, answers = steps.chain.sessions, []
    for name in ("begin", "begin_bearer"):
        original = getattr(engine, name)

        async def spy(*args, original=original, **kwargs):
            answers.append(kwargs.get("fresh", False))
            return await original(*args, **kwargs)

        monkeypatch.setattr(engine, name, spy)

    def spy_at_once(token, client, rate, fresh, original=engine.judge_at_once):
        answers.append(fresh)
        return original(token, client, rate, fresh)

    engine.judge_at_once = spy_at_once
    return answers


@pytest.mark.parametrize(
    ("method", "path", "fresh"),
    [
        ("GET", "/cart", False),
        ("GET", "/admin/users", True),
        ("GET", "/admin/", True),
        ("GET", "/admin", False),
        ("GET", "/pay", True),
        ("GET", "/payment", False),
        ("GET", "/half/way", False),
        ("HEAD", "/pay", True),
        ("POST", "/cart", True),
        ("DELETE", "/cart", True),
    ],
)
def test_some_paths_and_all_unsafe_methods_ask_the_store(steps, asked, method, path, fresh):
    """What is named, and whatever may change something, also where it has no quota to spend."""
    value = steps.cookie_of()
    steps.begin(method, path=path, cookie=as_cookie(value), origin="https://app.example.org")
    steps.begin(method, path=path, authorization="Bearer a.b.c")
    assert asked[-2:] == [fresh, fresh]


def test_a_websocket_asks_the_store(steps, asked):
    """It outlives any bound."""
    value = steps.cookie_of()
    asked.clear()
    steps.begin(cookie=as_cookie(value), origin="https://app.example.org", websocket=True)
    assert asked == [True]
