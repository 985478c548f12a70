"""Who may use the back-end API: every route, by the scope of the key; and how a key is rotated."""

import pytest

from holdfast.service.app import create_app
from holdfast.service.backend import ROUTES
from holdfast.service.backend import keys as service_keys
from service.clients import Client, bearer, built, outcome

OLD, NEW = "hfk1_" + "o" * 43, "hfk1_" + "n" * 43
BUT = {scope: f"hfk1_{scope:x<43}" for scope in service_keys.SCOPES}
"""For each scope a key that has all the others."""


def entry(key, *scopes, name="shop"):
    return service_keys.entry(name, scopes or service_keys.SCOPES, key)


@pytest.fixture
def variables():
    others = [
        entry(key, *(each for each in service_keys.SCOPES if each != scope), name=f"no-{scope}")
        for scope, key in BUT.items()
    ]
    return {"SERVICE_KEYS": ",".join([entry(OLD), entry(NEW), *others])}


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, route.path) for route in ROUTES for method in sorted(route.methods - {"HEAD"})],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k" * 20}])
def test_every_route_needs_a_key_of_its_scope(client, method, path, headers):
    """401 for nobody, 403 for a key that may do everything else; before any body is looked at."""
    scope = path.split("/")[3]
    address = path.replace("{id}", "0" * 25)
    nobody = client.request(method, address, headers=headers)
    assert outcome(nobody) == (401, "unauthenticated")
    other = client.request(method, address, headers=headers | bearer(BUT[scope]), content=b"{")
    assert outcome(other) == (403, "scope_missing")


def test_the_old_key_counts_until_it_is_taken_out(client, tmp_path, clock, events, context):
    """Both are one application's: what was asked with the one is answered with the other."""
    asked = {"Idempotency-Key": "k" * 20}
    made = [
        client.post("/backend/v1/sessions", headers=bearer(key) | asked, json={"subject": "ada"})
        for key in (OLD, NEW)
    ]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json() == made[1].json()
    later = built(tmp_path / "later", clock, events, SERVICE_KEYS=entry(NEW))
    try:
        rotated = Client(create_app(later))
        answers = [
            rotated.get("/backend/v1/sessions?subject=ada", headers=bearer(key))
            for key in (OLD, NEW)
        ]
    finally:
        later.close()
    assert [each.status_code for each in answers] == [401, 200]


def test_a_request_whose_transport_is_refused_is_not_committed(client):
    """As at its begin: what cannot be believed of it is in the answer."""
    told = {"method": "GET", "scheme": "http", "host": "a b", "path": "/", "peer": "127.0.0.1"}
    for path, more in (("begin", {}), ("commit", {"set": {"a": 1}})):
        answer = client.post(
            f"/backend/v1/requests/{path}", headers=bearer(NEW), json={"request": told, **more}
        )
        assert (answer.status_code, answer.json()["reply"]["status"]) == (200, 400)


class TestBudget:
    @pytest.fixture
    def variables(self):
        return {"SERVICE_KEYS": entry(NEW), "RATE": "2/15m"}

    def test_refreshing_has_the_budget_of_the_session(self, client):
        """Whoever holds the token cannot go on for ever, through whichever application."""

        def asked(path, body):
            return client.post(f"/backend/v1{path}", headers=bearer(NEW), json=body)

        token = asked("/tokens", {"subject": "ada"}).json()["refresh_token"]
        for _ in range(2):
            token = asked("/tokens/refresh", {"refresh_token": token}).json()["refresh_token"]
        over = asked("/tokens/refresh", {"refresh_token": token})
        assert outcome(over) == (429, "rate_limited")
        assert int(over.headers["Retry-After"]) > 0
