"""The back-end API: sessions, tokens and requests for an application in another language."""

import pytest

from holdfast.service.backend import keys as service_keys
from service.clients import SECRET, bearer, outcome

KEY = "hfk1_" + "k" * 43
NARROW = "hfk1_" + "n" * 43
V1 = "/backend/v1"
BIG = service_keys.entry("shop", service_keys.SCOPES, KEY)


@pytest.fixture
def variables():
    entries = (
        service_keys.entry("shop", service_keys.SCOPES, KEY),
        service_keys.entry("narrow", ["tokens"], NARROW),
    )
    return {"SERVICE_KEYS": ", ".join(entries)}


@pytest.fixture
def ask(client):
    """Ask the API; the JSON of the answer, or status and code of an error."""

    def ask(method, path, body=None, *, key=KEY):
        options = {} if body is None else {"json": body}
        answer = client.request(method, V1 + path, headers=bearer(key), **options)
        return answer.json() if answer.status_code < 300 else outcome(answer)

    return ask


@pytest.fixture
def signed_in(ask):
    """A session of Ada with some data."""
    body = {"subject": "ada", "claims": {"role": "admin"}, "data": {"cart": [1]}}
    return ask("POST", "/sessions", body)


def facts(method="GET", path="/", *, cookie=None, form_token=None, **headers):
    """A request as the application's server saw it."""
    said = {"host": "127.0.0.1:8080", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if cookie is not None:
        said["cookie"] = f"session={cookie}"
    seen = {"method": method, "scheme": "http", "host": said["host"], "path": path}
    return seen | {"peer": "127.0.0.1", "headers": said, "form_token": form_token}


# Keys


@pytest.mark.parametrize("key", ["", "x", KEY[:-1], KEY + "k", SECRET])
def test_nobody_without_a_key(ask, key):
    """401, and the same for every wrong one (R122)."""
    assert ask("POST", "/sessions", {"subject": "ada"}, key=key) == (401, "unauthenticated")


def test_a_key_is_for_its_scopes(ask):
    """What it was not made for it cannot do."""
    assert ask("POST", "/sessions", {"subject": "ada"}, key=NARROW) == (403, "scope_missing")
    assert "access_token" in ask("POST", "/tokens", {"subject": "ada"}, key=NARROW)


def test_only_the_hash_is_configured(context):
    """Who reads the configuration cannot use the API (R8)."""
    assert KEY not in repr(context.options)
    assert KEY not in repr(context.service_keys)


# Sessions


def test_a_session_is_made_with_its_cookie(ask, signed_in, client):
    """The cookie signs a browser in, here and at every adapter over this store."""
    assert signed_in["session"]["subject"] == "ada"
    assert signed_in["set_cookie"].startswith(f"session={signed_in['cookie']}; ")
    me = client.get("/api/me", headers={"Cookie": f"session={signed_in['cookie']}"}).json()
    assert (me["subject"], me["role"]) == ("ada", "admin")


def test_reading_shows_data_and_no_secret(ask, signed_in):
    """Nothing in the answer signs anybody in (promise 4)."""
    shown = ask("GET", f"/sessions/{signed_in['session']['id']}")
    assert shown["data"] == {"cart": [1]}
    assert signed_in["cookie"].rpartition(".")[2] not in str(shown)


def test_changes_are_merged_by_key(ask, signed_in):
    """Two applications that change different keys lose nothing (P3)."""
    path = f"/sessions/{signed_in['session']['id']}"
    ask("PATCH", path, {"set": {"a": 1}})
    after = ask("PATCH", path, {"set": {"b": 2}, "delete": ["cart", "nothing"]})
    assert after["data"] == {"a": 1, "b": 2}


def test_a_change_can_insist_on_a_version(ask, signed_in):
    """409 if anything has changed since."""
    path, seen = f"/sessions/{signed_in['session']['id']}", signed_in["session"]["version"]
    assert ask("PATCH", path, {"set": {"a": 1}, "if_version": seen})["data"]["a"] == 1
    assert ask("PATCH", path, {"set": {"a": 2}, "if_version": seen}) == (409, "conflict")


def test_a_rotation_shows_and_nothing_else_does(ask, signed_in):
    """Who has let a request in can tell whether its cookie still counts."""
    path = f"/sessions/{signed_in['session']['id']}"
    seen = signed_in["session"]["rotation"]
    assert ask("PATCH", path, {"set": {"a": 1}})["rotation"] == ask("GET", path)["rotation"] == seen
    assert ask("POST", f"{path}/rotate", {})["session"]["rotation"] != seen


def test_a_new_secret_ends_the_old_cookie(ask, signed_in, client):
    """The id stays, the old cookie is refused at once (R14)."""
    rotated = ask("POST", f"/sessions/{signed_in['session']['id']}/rotate", {})
    assert rotated["session"]["id"] == signed_in["session"]["id"]
    statuses = [
        client.get("/api/me", headers={"Cookie": f"session={each['cookie']}"}).status_code
        for each in (signed_in, rotated)
    ]
    assert statuses == [401, 200]


def test_ending_one_and_all(ask, client):
    """Every credential dies with its session, and a second time there is nothing to end."""
    made = [ask("POST", "/sessions", {"subject": "ada"}) for _ in range(3)]
    ids = [each["session"]["id"] for each in made]
    assert len(ask("GET", "/sessions?subject=ada")["sessions"]) == 3
    assert [ask("DELETE", f"/sessions/{ids[0]}") for _ in "12"] == [{"ended": 1}, {"ended": 0}]
    assert ask("DELETE", f"/sessions?subject=ada&keep={ids[1]}") == {"ended": 1}
    assert ask("GET", f"/sessions/{ids[1]}")["id"] == ids[1]
    for id in (ids[0], ids[2]):
        assert ask("GET", f"/sessions/{id}") == (404, "not_found")


def test_sessions_of_many_subjects(ask):
    """Page by page, by how the names of the subjects begin."""
    for subject in ("shop:ada", "shop:bob", "other"):
        ask("POST", "/sessions", {"subject": subject})
    page = ask("GET", "/sessions?prefix=shop:")
    assert sorted(each["subject"] for each in page["sessions"]) == ["shop:ada", "shop:bob"]
    assert page["after"] is None
    assert ask("GET", "/sessions?prefix=shop:&after=x") == (400, "bad_parameter")


# Tokens


def test_tokens_from_birth_to_death(ask, client):
    """Made, verified, refreshed, ended; the second refresh token is the successor."""
    made = ask("POST", "/tokens", {"subject": "ada", "claims": {"email": "ada@example.org"}})
    claims = ask("POST", "/tokens/verify", {"token": made["access_token"]})["claims"]
    assert (claims["sub"], claims["email"], claims["sid"]) == (
        "ada",
        "ada@example.org",
        made["session"],
    )
    assert client.get("/api/me", headers=bearer(made["access_token"])).status_code == 200
    after = ask("POST", "/tokens/refresh", {"refresh_token": made["refresh_token"]})
    assert after["refresh_token"] != made["refresh_token"]
    assert ask("POST", "/tokens/revoke", {"jti": claims["jti"]}) == {"revoked": True}
    dead = ask("POST", "/tokens/verify", {"token": made["access_token"]})
    assert dead == {"claims": None, "reason": "revoked"}
    assert ask("POST", "/tokens/revoke", {"token": after["refresh_token"]}) == {"revoked": True}
    assert ask("POST", "/tokens/refresh", {"refresh_token": after["refresh_token"]})[0] == 401


def test_tokens_for_a_session_that_there_is(ask, signed_in):
    """Another view of one record."""
    id = signed_in["session"]["id"]
    assert ask("POST", "/tokens", {"session": id})["session"] == id
    ask("DELETE", f"/sessions/{id}")
    assert ask("POST", "/tokens", {"session": id}) == (404, "not_found")


def test_whether_a_token_was_ended(ask):
    """By its `jti` alone: ended, replaced by its successor, or with its session."""
    made = ask("POST", "/tokens", {"subject": "ada"})

    def jti(token, kind):
        body = {"token": token, "type": kind, "stateless": True}
        return ask("POST", "/tokens/verify", body)["claims"]["jti"]

    def over(jti):
        return ask("POST", "/tokens/status", {"jti": jti})["revoked"]

    access, refresh = jti(made["access_token"], "access"), jti(made["refresh_token"], "refresh")
    assert [over(access), over(refresh), over("x"), over("")] == [False, False, True, True]
    ask("POST", "/tokens/revoke", {"jti": access})
    after = ask("POST", "/tokens/refresh", {"refresh_token": made["refresh_token"]})
    fresh = jti(after["access_token"], "access")
    assert [over(access), over(refresh), over(fresh)] == [True, True, False]
    ask("DELETE", f"/sessions/{made['session']}")
    assert over(fresh)


def test_whether_a_token_was_ended_by_time(ask):
    """After more revocations than are noted one by one only who knows its `iat` can be told."""
    id = ask("POST", "/sessions", {"subject": "ada"})["session"]["id"]

    def claims():
        token = ask("POST", "/tokens", {"session": id})["access_token"]
        return ask("POST", "/tokens/verify", {"token": token, "stateless": True})["claims"]

    first, *more = [claims() for _ in range(18)]
    for each in more:
        ask("POST", "/tokens/revoke", {"jti": each["jti"]})
    status = {"jti": first["jti"], "iat": first["iat"]}
    assert ask("POST", "/tokens/status", status)["revoked"]
    after = claims()
    status = {"jti": after["jti"], "iat": after["iat"]}
    assert not ask("POST", "/tokens/status", status)["revoked"]


def test_how_long_a_verified_token_may_be_kept(ask, clock):
    """As its session, and never beyond the token's own end."""
    token = ask("POST", "/tokens", {"subject": "ada"})["access_token"]
    keep = ask("POST", "/tokens/verify", {"token": token, "keep": True})["keep"]
    assert keep["for_ms"] == 60_000
    clock.advance(3_600_000 - 20_000)
    keep = ask("POST", "/tokens/verify", {"token": token, "keep": True})["keep"]
    assert 19_000 <= keep["for_ms"] <= 20_000
    assert ask("POST", "/tokens/verify", {"token": "x", "keep": True})["keep"] is None


# Requests


def test_a_request_from_begin_to_commit(ask, signed_in):
    """A read, a change with a CSRF token, and the change is there at the next request."""
    cookie = signed_in["cookie"]
    begun = ask("POST", "/requests/begin", {"request": facts(cookie=cookie)})
    assert (begun["session"]["subject"], begun["via"]) == ("ada", "cookie")
    done = ask("POST", "/requests/commit", {"request": facts(cookie=cookie), "csrf_token": True})
    unsafe = facts("POST", cookie=cookie, x_csrf_token=done["csrf_token"])
    begun = ask("POST", "/requests/begin", {"request": unsafe})
    assert (begun["reply"], begun["proof"]) == (None, "token")
    ask("POST", "/requests/commit", {"request": unsafe, "proof": "token", "set": {"n": 1}})
    begun = ask("POST", "/requests/begin", {"request": facts(cookie=cookie)})
    assert begun["session"]["data"] == {"cart": [1], "n": 1}


def test_an_unsafe_request_without_a_token_is_refused(ask, signed_in):
    """With the chain's own answer; a form field counts as well."""
    unsafe = facts("POST", cookie=signed_in["cookie"])
    refused = ask("POST", "/requests/begin", {"request": unsafe})["reply"]
    assert refused["status"] == 403
    assert '"csrf_failed"' in refused["body"]


def test_sign_in_and_out_in_a_request(ask):
    """New id at sign-in, cookie cleared at sign-out, and nothing of it counts afterwards."""
    post = facts("POST", content_type="application/json")
    proof = ask("POST", "/requests/begin", {"request": post})["proof"]
    intent = {"type": "sign_in", "subject": "ada"}
    done = ask("POST", "/requests/commit", {"request": post, "proof": proof, "intent": intent})
    cookie = dict(done["headers"])["Set-Cookie"].partition(";")[0].partition("=")[2]
    again = facts("POST", cookie=cookie)
    out = ask(
        "POST",
        "/requests/commit",
        {"request": again, "proof": "token", "intent": {"type": "sign_out"}},
    )
    assert "Max-Age=0" in dict(out["headers"])["Set-Cookie"]
    begun = ask("POST", "/requests/begin", {"request": facts(cookie=cookie)})
    assert (begun["session"], begun["reason"]) == (None, "unknown")


def test_a_sign_in_that_nothing_proves_is_refused(ask):
    """Login CSRF, also through an application in another language (R82)."""
    post = facts("POST", content_type="text/plain")
    intent = {"type": "sign_in", "subject": "ada"}
    done = ask("POST", "/requests/commit", {"request": post, "intent": intent})
    assert done["reply"]["status"] == 403


def test_a_quota_is_spent_once_a_request(ask, signed_in, context):
    """By begin, not by commit."""
    cookie = signed_in["cookie"]
    token = ask("POST", "/requests/commit", {"request": facts(cookie=cookie), "csrf_token": True})
    unsafe = facts("POST", cookie=cookie, x_csrf_token=token["csrf_token"])
    for _ in range(context.assembly.settings.rate.limit):
        assert ask("POST", "/requests/begin", {"request": unsafe})["reply"] is None
        ask("POST", "/requests/commit", {"request": unsafe, "proof": "token"})
    assert ask("POST", "/requests/begin", {"request": unsafe})["reply"]["status"] == 429


def test_the_paths_of_an_application_are_its_own(ask):
    """What this service has at `/login` says nothing of an application's `/login`."""
    for path in ("/login", "/refresh", "/healthz", "/backend/v1/sessions", "/api/logout"):
        post = facts("POST", path, content_type="application/json")
        proof = ask("POST", "/requests/begin", {"request": post})["proof"]
        intent = {"type": "sign_in", "subject": "ada"}
        done = ask("POST", "/requests/commit", {"request": post, "proof": proof, "intent": intent})
        assert done["session"]["subject"] == "ada"


def test_a_change_of_what_has_changed_meanwhile_is_refused(ask, signed_in):
    """409 where the handler saw another value; other keys merge (P3)."""
    request = facts("POST", cookie=signed_in["cookie"])
    body = {"request": request, "proof": "token", "base": {"cart": [1]}}
    assert ask("POST", "/requests/commit", body | {"set": {"cart": [2]}})["reply"] is None
    lost = ask("POST", "/requests/commit", body | {"set": {"cart": [3]}, "delete": ["x"]})
    assert lost["reply"]["status"] == 409
    gone = {"delete": ["cart"], "base": {"cart": [2]}}
    assert ask("POST", "/requests/commit", body | gone)["session"]["data"] == {}
    assert ask("POST", "/requests/commit", body | {"set": {"cart": 1}})["reply"]["status"] == 409


def test_what_is_written_to_an_ended_session_makes_no_new_one(ask, signed_in):
    """401, and no cookie: a late write does not revive (P1); a log-out and a sign-in go on."""
    id, request = signed_in["session"]["id"], facts("POST", cookie=signed_in["cookie"])
    ask("DELETE", f"/sessions/{id}")
    body = {"request": request, "proof": "token", "session": id}
    late = ask("POST", "/requests/commit", body | {"set": {"cart": []}})["reply"]
    assert (late["status"], "set-cookie" in str(late["headers"]).lower()) == (401, False)
    out = ask("POST", "/requests/commit", body | {"intent": {"type": "sign_out"}})
    assert out["reply"] is None
    again = body | {"intent": {"type": "sign_in", "subject": "ada"}}
    assert ask("POST", "/requests/commit", again)["session"]["subject"] == "ada"


# Bad input


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/sessions", {}),
        ("POST", "/sessions", {"subject": ""}),
        ("POST", "/sessions", {"subject": 7}),
        ("POST", "/sessions", {"subject": "a\nb"}),
        ("POST", "/sessions", {"subject": "ada", "claims": {"sub": "eve"}}),
        ("POST", "/sessions", {"subject": "ada", "claims": {"policy": "x"}}),
        ("POST", "/sessions", {"subject": "ada", "policy": "nonsense"}),
        ("POST", "/sessions", {"subject": "ada", "misspelt": 1}),
        ("POST", "/sessions", []),
        ("POST", "/tokens", {}),
        ("POST", "/tokens", {"subject": "ada", "session": "x"}),
        ("POST", "/requests/begin", {"request": {"method": "GET"}}),
        ("GET", "/sessions", None),
        ("GET", "/sessions?subject=%00", None),
    ],
)
def test_a_mistake_is_the_applications(ask, method, path, body):
    """400 with a code, never a 500."""
    assert ask(method, path, body)[0] == 400


@pytest.mark.parametrize("how", [{"acr": "a" * 1_025}, {"amr": ["a"] * 513}])
def test_too_much_assurance(ask, how):
    """It would stand in every access token."""
    assert ask("POST", "/sessions", {"subject": "ada", **how}) == (400, "usage_error")


def test_what_clients_have_said_is_kept_in_bounds(ask, events):
    """An application passes on what it was sent; neither record nor log take all of it (R159)."""
    said = dict.fromkeys(("address", "user_agent", "request_id"), "\x1b[31m" + "a" * 60_000)
    id = ask("POST", "/sessions", {"subject": "ada", "client": said})["session"]["id"]
    (shown,) = ask("GET", "/sessions?subject=ada")["sessions"]
    event = [each for each in events if each.subject == "ada"][-1]
    assert shown["id"] == id
    kept = (
        shown["address"],
        shown["user_agent"],
        event.address,
        event.user_agent,
        event.request_id,
    )
    assert all(len(each) <= 512 and each.isprintable() for each in kept)


def test_too_much_data(ask):
    """413, and nothing is stored."""
    body = {"subject": "ada", "data": {"a": "x" * 20_000}}
    assert ask("POST", "/sessions", body) == (413, "data_too_large")
    assert ask("GET", "/sessions?subject=ada")["sessions"] == []


@pytest.mark.parametrize("variables", [{"SERVICE_KEYS": BIG, "DATA_LIMIT": 1024 * 1024}])
def test_as_much_data_as_the_settings_allow(ask):
    """A body holds them twice: as they are to be, and as the handler was given them (P3)."""
    before, after = "a" * 1_000_000, "b" * 1_000_000
    made = ask("POST", "/sessions", {"subject": "ada", "data": {"a": before}})
    request = facts("POST", cookie=made["cookie"])
    body = {"request": request, "proof": "token", "base": {"a": before}, "set": {"a": after}}
    assert ask("POST", "/requests/commit", body)["session"]["data"] == {"a": after}
    assert ask("PATCH", f"/sessions/{made['session']['id']}", {"set": {"a": "c" * 4_000_000}}) == (
        413,
        "body_too_large",
    )


@pytest.mark.parametrize("id", ["x", "aa1AAAAAAAAAAAAAAAAAAAAAAA", "%00", "..%2f.."])
def test_an_id_that_there_is_not(ask, id):
    """404, and no store is asked for an impossible one (R7)."""
    assert ask("GET", f"/sessions/{id}")[0] == 404
    assert ask("PATCH", f"/sessions/{id}", {"set": {"a": 1}})[0] == 404
