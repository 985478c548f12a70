"""Whatever is sent gets a 4xx with a code, never a 500 (DESIGN §12, promise 7)."""

import json

import pytest

from service.clients import EMAIL, PASSWORD, Client, bearer, outcome

JSON_ROUTES = ["/login", "/refresh", "/api/auth/refresh"]
BODY = {"email": EMAIL, "password": PASSWORD}
JSON = {"Content-Type": "application/json"}

TOKENS = [
    "",
    " ",
    "x",
    "a.b.c",
    "..",
    "....",
    "\x7f",
    "eyJhbGciOiJub25lIn0.e30.",
    "A" * 15_000,
    "null",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
]
COOKIES = [
    "",
    "x",
    '"quoted"',
    "1.aa1AAAAAAAAAAAAAAAAAAAAAA." + "A" * 43,
    "1..",
    "1.aa1",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "A" * 60_000,
]


@pytest.fixture
def no_look_ups(context, monkeypatch):
    """Fails the test if a session is looked up."""

    def refused(*args, **kwargs):
        raise AssertionError("the store was asked")

    monkeypatch.setattr(context.assembly.store.core, "read_one", refused)


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a":NaN}',
        b"[" * 10_000,
        b'{"a":"\xed\xa0\x80"}',
        rb'{"a":"\ud800"}',
        b"\x00",
    ],
)
def test_what_is_no_json(client, path, raw):
    """400 `invalid_json`, also for a thousand open brackets."""
    answer = client.post(path, content=raw, headers=JSON)
    assert outcome(answer) == (400, "invalid_json")


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize("value", [[], "text", 1, 0, True])
def test_what_is_no_object(client, path, value):
    """400 `not_an_object`."""
    assert outcome(client.post(path, json=value)) == (400, "not_an_object")


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "json",
    ],
)
def test_another_content_type(client, path, kind):
    """415: a body that a foreign page could send unasked does not count (R68)."""
    raw = json.dumps(BODY).encode()
    answer = client.post(path, content=raw, headers={"Content-Type": kind})
    assert outcome(answer) == (415, "unsupported_media_type")


def test_json_with_a_charset(client):
    """The media type counts, not its spelling."""
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/login", content=json.dumps(BODY), headers=kind).status_code == 200


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_a_body_that_is_too_large(client, path):
    """413 above 16 KiB, whether its length is announced or not."""
    large = b'{"email":"' + b"x" * 17_000 + b'"}'
    assert outcome(client.post(path, content=large, headers=JSON)) == (413, "body_too_large")

    async def chunks():
        for _ in range(100):
            yield b" " * 1000

    assert outcome(client.post(path, content=chunks(), headers=JSON)) == (413, "body_too_large")


@pytest.mark.parametrize(
    "email", ["x" * 5000, "\u0000", "a\nb@c", " ", "\u202e@x.org", "a" * 300 + "@x.org"]
)
@pytest.mark.parametrize("password", ["x" * 1025, "ü" * 600, "right or wrong"])
def test_impossible_credentials(client, email, password):
    """401 like any wrong ones; nothing of it reaches the password check."""
    raw = json.dumps({"email": email, "password": password})
    answer = client.post("/login", content=raw, headers=JSON)
    assert outcome(answer) == (401, "invalid_credentials")


@pytest.mark.parametrize("token", TOKENS)
def test_tokens_of_any_shape(client, no_look_ups, token):
    """401 without a look-up in the store; 400 where there is none at all."""
    wanted = 401 if token else 400
    answer = client.post("/refresh", json={"refresh_token": token})
    assert (answer.status_code, "code" in answer.json()) == (wanted, True)
    headers = {"Authorization": b"Bearer " + token.encode("latin-1")}
    for method, path in (("POST", "/api/auth/logout"), ("GET", "/api/me")):
        assert client.request(method, path, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "value",
    ["Bearer", "bearer x", "Basic YTpi", "BearerX", "Bearer a b", "Token x", ",", "Bearer  "],
)
def test_authorization_headers_of_any_shape(client, value):
    """401."""
    headers = {"Authorization": value}
    assert client.post("/api/auth/logout", headers=headers).status_code == 401
    assert client.get("/api/me", headers=headers).status_code == 401


@pytest.mark.parametrize("value", COOKIES)
def test_cookies_of_any_shape(client, value):
    """401 where somebody must be signed in; the cookie is left alone, since it might be overtaken."""
    headers = {"Cookie": b"session=" + value.encode("latin-1")}
    answer = client.get("/api/me", headers=headers)
    assert outcome(answer) == (401, "unauthenticated")
    assert not any(text.startswith("session=") for text in answer.headers.get_list("Set-Cookie"))


@pytest.mark.parametrize("value", [each for each in COOKIES if not each.startswith("1.aa1A")])
def test_a_cookie_of_the_wrong_shape_is_not_looked_up(client, no_look_ups, value):
    """The shape is checked before the store is asked (R7)."""
    headers = {"Cookie": b"session=" + value.encode("latin-1")}
    assert client.get("/api/me", headers=headers).status_code == 401


def test_twin_cookies_are_refused(client, events):
    """Two values of one name: neither counts, and it is audited (R60)."""
    client.sign_in()
    mine = client.http.cookies["session"]
    headers = {"Cookie": f"session={mine}; session=1.aa1AAAAAAAAAAAAAAAAAAAAAA.{'A' * 43}"}
    assert client.get("/api/me", headers=headers).status_code == 401
    assert any(event.reason == "duplicate" for event in events)


def test_a_token_is_accepted_only_in_its_header(client):
    """Not in the query, not in the body, not in a cookie of another name (R18)."""
    access = client.tokens()["access_token"]
    assert client.get(f"/api/me?access_token={access}").status_code == 401
    assert client.get("/api/me", headers={"Cookie": f"access_token={access}"}).status_code == 401


@pytest.mark.parametrize("half", ["first", "second", "swapped"])
def test_pieces_of_tokens(client, half):
    """Cut or swapped halves verify nothing."""
    one, two = client.tokens()["access_token"], client.tokens()["access_token"]
    cut = {
        "first": one[: len(one) // 2],
        "second": one[len(one) // 2 :],
        "swapped": ".".join([*one.split(".")[:2], two.split(".")[2]]),
    }[half]
    assert client.get("/api/me", headers=bearer(cut)).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/login/", "/LOGIN", "/api/sessions/", "/%2e%2e/etc", "/api/me/x", "/static/0/x"],
)
def test_unknown_paths(client, path):
    """404 as JSON, no redirect."""
    assert outcome(client.get(path)) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"])
def test_unknown_methods(client, method):
    """405 as JSON, with the methods that there are (R174)."""
    answer = client.request(method, "/login")
    assert outcome(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "host", ["", "a b", "x" * 300, "127.0.0.1:x", "[::1", "127.0.0.1, evil", "ü"]
)
def test_hosts_of_any_shape(client, host):
    """400 or 403, never a guess (P52)."""
    answer = client.get("/api/me", headers={"Host": host.encode("latin-1")})
    assert answer.status_code in {400, 403}
    assert "code" in answer.json()


def test_errors_say_nothing_of_the_inside(context, client, caplog):
    """500 with a code; the exception is in the log only (R165)."""

    def broken(email, password):
        raise RuntimeError("secret detail of line 7")

    context.authenticator.check = broken
    answer = client.post("/login", json=BODY)
    assert answer.json() == {"error": "Internal server error", "code": "internal_error"}
    assert "nosniff" in answer.headers["X-Content-Type-Options"]
    assert "secret detail" in caplog.text


def test_logout_takes_no_other_body(client, app):
    """An empty body or JSON; 415 for a form."""
    access = client.tokens()["access_token"]
    form = client.post("/api/auth/logout", headers=bearer(access), data={"a": "b"})
    assert outcome(form) == (415, "unsupported_media_type")
    assert client.post("/api/auth/logout", headers=bearer(access), json={}).status_code == 200


def test_a_header_of_any_user_agent(client, app, events):
    """Controls and line ends reach neither the list of devices nor the log (R159)."""
    agent = "x\x1b[31m\tevil \u2028".encode()
    odd = Client(app)
    answer = odd.post("/login", json=BODY, headers={"User-Agent": agent})
    assert answer.status_code == 200
    client.sign_in()
    labels = [each["device"] for each in client.get("/api/sessions").json()["sessions"]]
    assert all(label.isprintable() for label in labels)
    assert all((event.user_agent or "").isprintable() for event in events)
