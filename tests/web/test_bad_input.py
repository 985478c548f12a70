"""One table of bad input through every framework, each with the same answer.

What cannot be a credential costs no look-up; nothing is a 500 but a mistake of the application, and
that says what to do about it.
"""

import json
import logging
from pathlib import Path

import pytest

from holdfast.assembly import assemble
from holdfast.rules import base64url
from holdfast.rules.key import Key
from holdfast.rules.keys import KeyRing
from holdfast.settings import Settings
from web.sites import SITES

COOKIE = "__Host-session"
ID, SECRET = "aa1" + "A" * 22, "A" * 43
COPIED = "a secret for tests: kelp 4 seven otters 0291"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

NOT_COOKIES = {
    "empty": "",
    "short": "x",
    "a megabyte": "x" * 1_000_000,
    "NUL": f"1.{ID}.{SECRET[:-1]}\x00",
    "not ASCII": f"1.{ID}.{SECRET[:-1]}é",
    "another version": f"2.{ID}.{SECRET}",
    "no secret": f"1.{ID}.",
    "cut": f"1.{ID}.{SECRET[:20]}",
    "too long": f"1.{ID}.{SECRET}A",
    "quoted": f'"1.{ID}.{SECRET}"',
    "another alphabet": f"1.{ID}.{SECRET[:-1]}+",
    "a token": "eyJhbGciOiJub25lIn0.e30.",
    "SQL": "1.aa1' OR 1=1 --",
}
NOT_TOKENS = {
    "empty": "",
    "short": "x",
    "a megabyte": "x" * 1_000_000,
    "NUL": "a.b.c\x00",
    "not ASCII": "a.b.é",
    "dots": "....",
    "alg none": "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.",
    "a cookie": f"1.{ID}.{SECRET}",
    "three": "a.b.c",
    "JSON": '{"sub": "ann"}',
}


def refused(answer, challenge='Bearer realm="holdfast"'):
    """401 with its code and challenge; the cookie is left alone (P20)."""
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.one("www-authenticate") == challenge
    return answer.all("set-cookie") == []


def refused_token(answer):
    return refused(answer, 'Bearer realm="holdfast", error="invalid_token"')


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def tokens(browser):
    return browser.post("/tokens", headers={"x-csrf-token": browser.token()}).json()


# Cookies


@pytest.mark.parametrize("value", NOT_COOKIES.values(), ids=NOT_COOKIES)
def test_what_is_no_cookie_asks_no_store(value, browser, parts):
    """401 by shape alone, and an audit event (R7)."""
    browser.cookies[COOKIE] = value
    assert refused(browser.get("/me"))
    assert (parts.store.calls, parts.reasons()) == ([], ["malformed"])


@pytest.mark.parametrize("app", [name for name in SITES if name != "quart"], indirect=True)
def test_a_cookie_with_a_line_end(browser, parts):
    """As any other, if a server ever let one through. Quart itself raises before anybody looks."""
    browser.cookies[COOKIE] = f"1.{ID}.{SECRET}\r\nX: y"
    assert refused(browser.get("/me"))
    assert (parts.store.calls, parts.reasons()) == ([], ["malformed"])


@pytest.mark.parametrize(
    ("secret_of", "reason"),
    [("nobody", "unknown"), ("another", "wrong_secret"), ("itself, cut", "malformed")],
)
def test_halves_of_cookies(secret_of, reason, browser, other, parts):
    """An id that nobody has, halves of two sessions, and half a secret: audited, and nobody's session ends."""
    browser.sign_in()
    other.sign_in("bob")
    good, theirs = browser.cookies[COOKIE], other.cookies[COOKIE].split(".")
    _, id, secret = good.split(".")
    forged = {
        "nobody": f"1.{ID}.{secret}",
        "another": f"1.{id}.{theirs[2]}",
        "itself, cut": good[: -len(secret) // 2],
    }
    browser.cookies[COOKIE] = forged[secret_of]
    assert refused(browser.get("/me"))
    assert parts.reasons()[-1] == reason
    browser.cookies[COOKIE] = good
    assert browser.get("/me").json() == {"user": "ann"}
    assert other.get("/me").json() == {"user": "bob"}


@pytest.mark.parametrize("first", [True, False])
def test_a_second_cookie_of_our_name_ends_in_401(first, browser, parts):
    """R60, wherever it stands."""
    browser.sign_in()
    pair = [f"{COOKIE}={browser.cookies[COOKIE]}", f"{COOKIE}=1.{ID}.{SECRET}"]
    parts.store.calls.clear()
    assert refused(browser.get("/me", headers={"cookie": "; ".join(pair if first else pair[::-1])}))
    assert (parts.store.calls, parts.reasons()) == ([], ["duplicate"])


# Tokens


@pytest.mark.parametrize("token", NOT_TOKENS.values(), ids=NOT_TOKENS)
def test_what_is_no_token_asks_no_store(token, browser, parts):
    """401 `invalid_token`, with and without a good cookie beside it."""
    assert refused_token(browser.get("/me", headers=bearer(token)))
    browser.sign_in()
    parts.store.calls.clear()
    assert refused_token(browser.get("/me", headers=bearer(token)))
    assert parts.store.calls == []


def cut(text):
    return text[: len(text) // 2]


def with_other_end(text):
    """The last character holds two bits that no byte has; a lenient reader takes it for the same."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


def with_claim(text, **claims):
    head, body, signature = text.split(".")
    changed = json.loads(base64url.decode(body)) | claims
    return ".".join((head, base64url.encode(json.dumps(changed).encode()), signature))


def without_algorithm(text):
    head, body, _ = text.split(".")
    changed = json.loads(base64url.decode(head)) | {"alg": "none"}
    return f"{base64url.encode(json.dumps(changed).encode())}.{body}."


@pytest.mark.parametrize(
    "forge",
    [
        cut,
        with_other_end,
        without_algorithm,
        lambda text: with_claim(text, sub="root"),
        lambda text: f"{text}.x",
    ],
    ids=["cut", "another end", "alg none", "another subject", "four parts"],
)
def test_a_token_that_was_touched_asks_no_store(forge, browser, parts):
    """R97, R98: every bit of it is signed, and it has one spelling."""
    browser.sign_in()
    forged = forge(tokens(browser)["access_token"])
    parts.store.calls.clear()
    assert refused_token(browser.get("/me", headers=bearer(forged)))
    assert parts.store.calls == []
    assert parts.events[-1].name == "authz_fail"


def test_halves_of_two_tokens_are_no_token(browser, other, parts):
    """The signature of one under the claims of another."""
    browser.sign_in()
    other.sign_in("bob")
    mine, theirs = tokens(browser)["access_token"], tokens(other)["access_token"]
    swapped = ".".join([*mine.split(".")[:2], theirs.split(".")[2]])
    assert refused_token(browser.get("/me", headers=bearer(swapped)))


def test_a_refresh_token_is_no_access_token(browser, parts):
    """The type is in the signature's reach, and each type has a key of its own (R94)."""
    browser.sign_in()
    assert refused_token(browser.get("/me", headers=bearer(tokens(browser)["refresh_token"])))


class TestCopiedSecret:
    """Production has the secret of staging, by mistake."""

    @pytest.fixture
    def keys(self, settings):
        return KeyRing.from_secrets([COPIED], environment=settings.environment)

    def test_a_token_of_another_environment_is_worth_nothing(self, browser, parts):
        """P36, R170: issuer, audience and every key are the environment's own."""
        staging = assemble(
            Settings(environment="staging"), secret=COPIED, store="memory://", clock=parts.clock
        )
        session = staging.blocking.begin(None)
        session.sign_in("ann")
        foreign = staging.blocking.issue_tokens(session).access_token
        staging.close()
        assert refused_token(browser.get("/me", headers=bearer(foreign)))
        assert parts.store.calls == []


class TestSignedByES256:
    """Signatures of ES256 have a twin: with (r, s), (r, n - s) verifies too (R100, P16)."""

    @pytest.fixture
    def keys(self, settings):
        vectors = json.loads(
            (Path(__file__).parents[1] / "vectors" / "signing_keys.json").read_text()
        )
        key = Key.from_pem(vectors["ES256"]["private"].encode())
        return KeyRing.from_secrets([COPIED], environment=settings.environment, signing=[key])

    def test_the_twin_of_a_revoked_token_is_revoked(self, browser, parts):
        """What is revoked is the token's name, not its spelling."""
        browser.sign_in()
        genuine = tokens(browser)["access_token"]
        signed, _, signature = genuine.rpartition(".")
        raw = base64url.decode(signature)
        s = P256_ORDER - int.from_bytes(raw[32:], "big")
        twin = f"{signed}.{base64url.encode(raw[:32] + s.to_bytes(32, 'big'))}"
        assert browser.get("/me", headers=bearer(genuine)).status == 200
        parts.sessions.revoke_token(genuine)
        for each in (genuine, twin):
            assert refused_token(browser.get("/me", headers=bearer(each)))


# Requests


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "a b",
        "x" * 300,
        "a.example:x",
        "a.example:99999",
        "[::1",
        "a, b",
        "é",
        "a/b",
        "u@h",
    ],
)
def test_hosts_of_any_shape(host, browser, parts):
    """400, never a guess (P52)."""
    answer = browser.get("/me", headers={"host": host})
    assert (answer.status, answer.code, parts.store.calls) == (400, "bad_request", [])


@pytest.mark.parametrize(
    "origin",
    ["", "x", "null", "https://", "https://a b", "é", "https://app.example.org/path", "x" * 10_000],
)
def test_origins_of_any_shape(origin, browser, parts):
    """403: what cannot be read is not ours."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    headers = good | {"origin": origin, "sec-fetch-site": ""}
    answer = browser.post("/write", json={}, headers=headers)
    assert (answer.status, answer.code) == (403, "csrf_failed")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "BREW", "get"])
def test_any_other_method_is_unsafe(method, browser, parts):
    """R68: only GET, HEAD and OPTIONS are taken for safe, as they are written."""
    browser.sign_in()
    answer = browser.request(method, "/me")
    assert (answer.status, answer.code, parts.reasons()) == (403, "csrf_failed", ["csrf_token"])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"csrf_token"),
        ("application/x-www-form-urlencoded", b"%ff%fe=%00&" * 100),
        ("application/x-www-form-urlencoded", b"a=b&" * 10_000),
        ("application/x-www-form-urlencoded", b"x" * 1_000_000),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n" * 5_000),
        ('multipart/form-data; boundary="', b""),
        ("multipart/form-data; boundary=x", b"\x00" * 200_000),
    ],
)
def test_forms_of_any_shape(kind, body, browser, parts):
    """403, after a bounded look for the token."""
    browser.sign_in()
    answer = browser.request("POST", "/echo", body=body, kind=kind)
    assert (answer.status, answer.code, parts.reasons()) == (403, "csrf_failed", ["csrf_token"])


# Mistakes of the application


@pytest.mark.parametrize(
    ("unfit", "code", "advice"),
    [
        ("huge", "data_too_large", "Settings.data_limit"),
        ("object", "data_not_serializable", "store plain JSON values"),
        ("nested", "data_not_serializable", "store plain JSON values"),
        ("nan", "data_not_serializable", "store plain JSON values"),
    ],
)
def test_what_a_session_cannot_hold(unfit, code, advice, browser, parts, caplog):
    """500 with a code for the client, the advice in the log, and nothing stored of the request."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    parts.store.calls.clear()
    with caplog.at_level(logging.ERROR, "holdfast"):
        answer = browser.post("/work", json={"write": {"visits": 9}, "unfit": unfit}, headers=good)
    assert (answer.status, answer.code) == (500, code)
    assert advice in caplog.text
    assert "xxxx" not in caplog.text
    assert parts.store.calls == ["get"]
    assert browser.get("/visits").json() == {"visits": 1}


# Outage


@pytest.mark.parametrize("verb", ["get", "update"])
def test_a_store_that_dies_during_a_request(verb, browser, parts):
    """503 with Retry-After, whatever the handler said; the cookie stays, and is good again afterwards."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    parts.fail(verb)
    answer = browser.post("/work", json={"write": {"visits": 9}}, headers=good)
    assert (answer.status, answer.code) == (503, "store_unavailable")
    assert int(answer.one("retry-after")) > 0
    assert answer.all("set-cookie") == answer.all("clear-site-data") == answer.all("x-secret") == []
    assert browser.get("/visits").json() == {"visits": 1}
