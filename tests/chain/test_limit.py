"""Step 5: a budget per session, whose counting rides on the reading (R151, P59)."""

import pytest

from chain.facts import Steps, as_cookie, header
from holdfast.errors import ConfigurationError
from holdfast.settings import Rate, Settings


@pytest.fixture
def ada(steps):
    cookie = as_cookie(steps.cookie_of())
    return {"cookie": cookie, "x_csrf_token": steps.token_for(cookie=cookie)[0]}


def statuses(steps, ada, times, method="POST"):
    visits = [steps.begin(method, **ada) for _ in range(times)]
    return [visit.reply.status if visit.reply else None for visit in visits]


def test_above_the_budget_is_429(steps, ada):
    """The full budget is allowed, then `Retry-After` says when; audited."""
    assert statuses(steps, ada, 4) == [None, None, None, 429]
    (reply,) = [steps.begin("POST", **ada).reply]
    assert 0 < int(header(reply, "Retry-After")[0]) <= 17 * 60
    assert b'"rate_limited"' in reply.body
    assert steps.events[-1].name == "excess_rate_limit_exceeded"


def test_it_costs_no_round_trip(steps, ada):
    """`take` rides on `get`."""
    steps.store.calls.clear()
    statuses(steps, ada, 1)
    assert steps.store.calls == ["get"]


def test_reading_is_free(steps, ada):
    """Safe methods spend nothing."""
    assert statuses(steps, ada, 10, "GET") == [None] * 10
    assert statuses(steps, ada, 3) == [None] * 3


def test_each_session_has_its_own(steps, ada):
    """Somebody else's, and one's own other one."""
    assert statuses(steps, ada, 4)[-1] == 429
    cookie = as_cookie(steps.cookie_of())
    other = {"cookie": cookie, "x_csrf_token": steps.token_for(cookie=cookie)[0]}
    assert statuses(steps, other, 3) == [None] * 3


def test_who_knows_only_the_id_spends_nothing(steps, ada):
    """Otherwise a public id were enough to lock its owner out."""
    id = ada["cookie"].split(".")[1]
    for _ in range(10):
        steps.begin("POST", cookie=as_cookie(f"1.{id}.{'A' * 43}"))
    assert statuses(steps, ada, 3) == [None] * 3


def test_refused_tokens_spend_too(steps, ada):
    """Guessing CSRF tokens is bounded as well: the budget is spent before the token is looked at."""
    for _ in range(3):
        assert steps.begin("POST", cookie=ada["cookie"], x_csrf_token="guess").reply.status == 403
    assert statuses(steps, ada, 1) == [429]


def test_the_window_slides(steps, ada):
    """When `Retry-After` has passed there is room again, and not a second before the period."""
    statuses(steps, ada, 3)
    wait = int(header(steps.begin("POST", **ada).reply, "Retry-After")[0])
    steps.clock.advance(14 * 60_000)
    assert statuses(steps, ada, 1) == [429]
    steps.clock.advance(wait * 1000 - 14 * 60_000)
    assert statuses(steps, ada, 1) == [None]


def test_a_limit_of_the_settings():
    """Each application has its own numbers."""
    steps = Steps(Settings(rate=Rate(limit=1)))
    cookie = as_cookie(steps.cookie_of())
    ada = {"cookie": cookie, "x_csrf_token": steps.token_for(cookie=cookie)[0]}
    assert statuses(steps, ada, 2) == [None, 429]
    steps.assembly.close()


RATES = {"/free": None, "/strict": Rate(limit=1), "/api/": Rate(limit=2), "/api/v2/": None}


@pytest.mark.parametrize(
    ("path", "passed"),
    [
        ("/cart", 3),
        ("/strict", 1),
        ("/strict/", 3),
        ("/api", 3),
        ("/api/x", 2),
        ("/api/v2/x", 5),
        ("/free", 5),
        ("/free/x", 3),
    ],
)
def test_a_path_can_have_its_own(path, passed):
    """Exactly it or, with a slash at its end, all below; the nearest counts, None is no limit."""
    steps = Steps(Settings(rate=Rate(limit=3), rates=RATES))
    cookie = as_cookie(steps.cookie_of())
    ada = {"cookie": cookie, "x_csrf_token": steps.token_for(cookie=cookie)[0], "path": path}
    assert statuses(steps, ada, 5).count(None) == passed
    steps.assembly.close()


def test_budgets_do_not_spend_each_other():
    """Whoever has used up the general one can still do what has its own, and the other way round."""
    steps = Steps(Settings(rate=Rate(limit=3), rates=RATES))
    cookie = as_cookie(steps.cookie_of())
    ada = {"cookie": cookie, "x_csrf_token": steps.token_for(cookie=cookie)[0]}
    assert statuses(steps, ada, 4)[-1] == 429
    assert statuses(steps, ada | {"path": "/strict"}, 2) == [None, 429]
    assert statuses(steps, ada | {"path": "/free"}, 1) == [None]
    steps.assembly.close()


def test_a_budget_belongs_to_a_path():
    """What is none is refused at start."""
    with pytest.raises(ConfigurationError, match="rates: each key is a path"):
        Settings(rates={"logout": None})
