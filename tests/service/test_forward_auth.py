"""Forward-auth: what a proxy is told about the requests that it asks for."""

import asyncio

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from holdfast.chain import error_reply
from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.rules.keys import Key
from holdfast.service.building import build
from holdfast.session import Session
from service.clients import (
    EMAIL,
    KEYS,
    PASSWORD,
    Client,
    bearer,
    built,
    configuration,
    outcome,
)

PROXY = "127.0.0.1"
ORIGIN = "https://app.example.org"


@pytest.fixture
def variables():
    return {"TRUSTED_PROXIES": PROXY}


def facts(method="GET", uri="/", host="app.example.org", **more):
    return {
        "X-Forwarded-Method": method,
        "X-Forwarded-Uri": uri,
        "X-Forwarded-Host": host,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "203.0.113.9",
        **{name.replace("_", "-"): text for name, text in more.items()},
    }


def ask(client, path="/forward-auth", **said):
    return client.get(path, headers=facts(**said))


def test_who_is_signed_in_passes(client, ada):
    """200 with who it is; by cookie and by token."""
    client.sign_in()
    for answer in (
        ask(client),
        ask(Client(client.http._transport.app), **bearer(client.tokens()["access_token"])),
    ):
        assert answer.status_code == 200
        assert answer.headers["X-Auth-Subject"] == ada.subject
        assert answer.headers["X-Auth-Roles"] == "admin"
        assert "X-Auth-Token" not in answer.headers


def test_the_session_is_named_but_not_given_away(client, events):
    """The name in the audit log, from which nobody gets a credential (R158)."""
    client.sign_in()
    (session,) = client.get("/api/sessions").json()["sessions"]
    named = ask(client).headers["X-Auth-Session"]
    assert named in {event.session for event in events}
    assert session["id"] not in named


def test_who_is_not_does_not(client):
    """401 with a challenge, and nobody is named."""
    answer = ask(client)
    assert outcome(answer) == (401, "unauthenticated")
    assert not [name for name in answer.headers if name.startswith("x-auth")]


def test_a_log_out_counts_at_once(client):
    """The next question of the proxy is refused."""
    client.sign_in()
    assert ask(client).status_code == 200
    client.post("/api/logout", headers=client.csrf())
    assert ask(client).status_code == 401


def test_a_role_can_be_a_condition(client):
    """`?role=` stands in the proxy's configuration, out of the client's reach."""
    client.sign_in()
    assert ask(client, "/forward-auth?role=admin").status_code == 200
    assert outcome(ask(client, "/forward-auth?role=owner")) == (403, "forbidden")
    assert ask(client, "/forward-auth?role=owner", uri="/?role=admin").status_code == 403


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Origin": ORIGIN}, 200),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": ORIGIN, "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": ORIGIN, "X_CSRF_Token": "wrong"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)
def test_an_unsafe_request_needs_somebody_to_vouch_for_it(client, said, status):
    """Fetch Metadata or Origin must pass, silence is not enough, a wrong token never (R67, P54)."""
    client.sign_in()
    assert ask(client, method="POST", **said).status_code == status


def test_a_token_in_the_header_is_enough(client):
    """Without Origin and Fetch Metadata, as from a program."""
    client.sign_in()
    assert ask(client, method="DELETE", **client.csrf()).status_code == 200


@pytest.mark.parametrize("name", ["Sec_WebSocket_Key", "Sec_WebSocket_Version"])
@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Origin": ORIGIN}, 200),
        ({}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.app.example.org"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_handshake_must_not_come_from_another_site(client, name, said, status):
    """A page can open a socket anywhere and read what comes; without `Origin` it is no page (R80)."""
    client.sign_in()
    assert ask(client, **{name: "13"}, **said).status_code == status


def test_a_second_question_has_no_yes(client):
    """Nginx asks what the refusal was: a yes would be shown as the application's answer."""
    assert outcome(ask(client, "/forward-auth?refused")) == (401, "unauthenticated")
    client.sign_in()
    answer = ask(client, "/forward-auth?refused")
    assert outcome(answer) == (503, "decision_changed")
    assert answer.headers["Retry-After"] == "1"
    assert not [name for name in answer.headers if name.startswith("x-auth")]
    assert outcome(ask(client, "/forward-auth?refused&role=owner")) == (403, "forbidden")


@pytest.mark.parametrize(
    "uri", ["", "http://evil.example/", "//evil.example/", "/a/../admin", "/a%2f..%2fadmin", "/\\a"]
)
def test_a_malformed_uri_is_denied(client, uri):
    """Also to somebody who is signed in (P52)."""
    client.sign_in()
    assert outcome(ask(client, uri=uri)) == (403, "bad_request")


@pytest.mark.parametrize("method", ["", "get", "GET,POST"])
def test_a_malformed_method_is_denied(client, method):
    """A method that is not understood could be an unsafe one; no origin vouches for it."""
    client.sign_in()
    assert outcome(ask(client, method=method, Origin=ORIGIN)) == (403, "bad_request")


@pytest.mark.parametrize("name", ["X-Forwarded-Method", "X-Forwarded-Uri"])
@pytest.mark.parametrize("values", [(), ("GET", "POST")])
def test_a_fact_is_there_once(client, name, values):
    """A missing or doubled one is denied: the client may have added it."""
    client.sign_in()
    said = [(key, text) for key, text in facts().items() if key != name]
    answer = client.get("/forward-auth", headers=[*said, *((name, value) for value in values)])
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil..example", "a b", "a/b", ""])
def test_a_malformed_host_is_denied(client, host):
    """The chain judges it as that of any request."""
    client.sign_in()
    assert ask(client, host=host).status_code == 400


def test_the_applications_paths_are_its_own(client):
    """Paths that this service leaves alone are no way around the decision."""
    for uri in ("/login", "/healthz", "/forward-auth"):
        assert ask(client, uri=uri).status_code == 401


def test_an_outage_is_no_log_out(client, context, monkeypatch):
    """503 with `Retry-After`: the proxy lets nobody pass, and the cookie stays (P20)."""
    client.sign_in()

    def away(*_, **__):
        raise StoreUnavailable("as the test wishes")

    monkeypatch.setattr(context.assembly.store.core, "read_one", away)
    answer = ask(client)
    assert outcome(answer) == (503, "store_unavailable")
    assert "Retry-After" in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_a_commit_that_fails_lets_nobody_pass(client, context, monkeypatch):
    """Whatever it was that had to be done, it was not."""
    client.sign_in()

    async def failed(*_):
        return error_reply(503, "not_durable", "Service unavailable")

    monkeypatch.setattr(context.assembly.chain, "commit_at_once", lambda _: None)
    monkeypatch.setattr(context.assembly.chain, "commit", failed)
    assert outcome(ask(client)) == (503, "not_durable")


class TestNoProxy:
    @pytest.fixture
    def variables(self):
        return {"TRUSTED_PROXIES": "192.0.2.1"}

    def test_only_a_trusted_proxy_may_ask(self, client):
        """Whoever reaches the service directly learns nothing and forges nothing (P51)."""
        client.sign_in()
        assert outcome(ask(client)) == (403, "untrusted_proxy")


class TestSignIn:
    @pytest.fixture
    def variables(self):
        return {
            "TRUSTED_PROXIES": PROXY,
            "FORWARD_AUTH_SIGN_IN": "https://auth.example.org/sign-in",
            "RETURN_HOSTS": "app.example.org",
        }

    def test_people_are_sent_to_sign_in_and_back(self, client):
        """With the address that they wanted; the next page is only for who wants a page."""
        answer = ask(client, uri="/x?a=b&c", Accept="text/html,*/*")
        assert answer.status_code == 302
        assert answer.headers["Location"] == (
            "https://auth.example.org/sign-in?next=https%3A%2F%2Fapp.example.org%2Fx%3Fa%3Db%26c"
        )
        assert ask(client, Accept="application/json").status_code == 401
        assert ask(client, method="POST", Accept="text/html").status_code == 401

    def test_who_is_signed_in_is_not_sent_there_again(self, client):
        """To sign in once more gives nobody a role: 403, and no way in circles."""
        client.sign_in()
        answer = ask(client, "/forward-auth?role=owner", Accept="text/html")
        assert outcome(answer) == (403, "forbidden")

    def test_on_the_same_host_the_way_back_is_a_path(self, client):
        """Nothing that another host could be put into."""
        answer = ask(client, uri="/x", host="auth.example.org", Accept="text/html")
        assert answer.headers["Location"].endswith("/sign-in?next=%2Fx")

    @pytest.mark.parametrize(
        ("next", "location"),
        [
            ("https://app.example.org/x?a=b", "https://app.example.org/x?a=b"),
            ("https://APP.example.org:443/x", "https://app.example.org/x"),
            ("https://evil.example/", "/sessions"),
            ("https://app.example.org.evil.example/", "/sessions"),
            ("https://app.example.org@evil.example/", "/sessions"),
            ("https://app.example.org\\.evil.example/", "/sessions"),
            ("//app.example.org/", "/sessions"),
        ],
    )
    def test_a_sign_in_leads_to_our_hosts_only(self, client, next, location):
        """No open redirect; browsers may follow because the policy of the page names the host."""
        csrf = client.csrf()["X-CSRF-Token"]
        form = {"email": EMAIL, "password": PASSWORD, "csrf_token": csrf, "next": next}
        answer = client.post("/sign-in", data=form)
        assert (answer.status_code, answer.headers["Location"]) == (303, location)
        assert "form-action 'self' app.example.org;" in answer.headers["Content-Security-Policy"]


def test_a_token_for_the_application_needs_an_asymmetric_key(tmp_path, clock, events):
    """A shared secret would let the application make tokens itself: refused at start."""
    with pytest.raises(ConfigurationError, match="holdfast keys asymmetric"):
        built(tmp_path, clock, events, FORWARD_AUTH_AUDIENCE="app")


class TestToken:
    @pytest.fixture
    def variables(self):
        return {"TRUSTED_PROXIES": PROXY, "FORWARD_AUTH_AUDIENCE": "app"}

    @pytest.fixture
    def context(self, tmp_path, clock, events, quick, variables):
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        keys = KEYS.signed_by(Key.from_pem(pem))
        context = build(
            configuration(tmp_path, **variables), keys=keys, audit=[events.append], clock=clock
        )
        yield context
        context.close()

    def test_the_application_gets_a_token_of_its_own(self, client, ada, context):
        """Short, for its audience, verified with the public key, and worth nothing here."""
        client.sign_in()
        token = ask(client).headers["X-Auth-Token"]
        keys = jwt.PyJWKSet.from_dict(client.get("/.well-known/jwks.json").json())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, ["EdDSA"], {"verify_exp": False}, audience="app")
        assert (claims["aud"], claims["sub"]) == ("app", ada.subject)
        assert claims["exp"] - claims["iat"] == 60
        assert client.get("/api/me", headers=bearer(token)).status_code == 401


def test_a_question_below_the_path_is_the_request_itself(client):
    """As Envoy asks: method, URI and host are the request's own."""
    said = {"X-Forwarded-Proto": "https", "Host": "app.example.org"}
    client.sign_in()
    assert client.get("/forward-auth/x/y?a=b", headers=said).status_code == 200
    assert client.request("POST", "/forward-auth/x", headers=said).status_code == 403
    origin = {**said, "Origin": ORIGIN}
    assert client.request("POST", "/forward-auth/x", headers=origin).status_code == 200
    assert client.get("/forward-auth/x%2f..%2fy", headers=said).status_code == 403


def test_a_question_of_both_kinds_is_refused(client):
    """A slash too many in the proxy's address would drop its role, and take its GET for the method."""
    client.sign_in()
    asked = {"X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/x", "X-Forwarded-Proto": "https"}
    for address in ("/forward-auth/?role=nobodys", "/forward-auth/x"):
        answer = client.get(address, headers={**asked, "Host": "app.example.org"})
        assert outcome(answer) == (403, "bad_request")


def test_strange_names_are_encoded(client, context):
    """Nothing that a subject or a role may hold breaks a header, or makes two of one."""
    session = Session()
    asyncio.run(context.sessions.sign_in(session, "zo\u00eb 100%", role=["a,b", "c"]))
    answer = ask(client, Cookie=f"session={session.cookie}")
    assert answer.headers["X-Auth-Subject"] == "zo%C3%AB%20100%25"
    assert answer.headers["X-Auth-Roles"] == "a%2Cb,c"


def test_what_nobody_foresaw_lets_nobody_pass(client, context, monkeypatch, caplog):
    """500 without details, with the headers of every answer to a browser; the log says what it was."""

    def broken(*_, **__):
        raise ZeroDivisionError

    client.sign_in()
    monkeypatch.setattr(context.assembly.chain, "begin_at_once", broken)
    answer = ask(client)
    assert outcome(answer) == (500, "internal_error")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "ZeroDivisionError" in caplog.text


def test_only_the_answer_to_the_proxy_does_without_the_headers_of_pages(client):
    """Whatever it hands on to a browser has them."""
    assert ask(client).headers["X-Content-Type-Options"] == "nosniff"
    client.sign_in()
    assert "X-Content-Type-Options" not in ask(client).headers


def test_a_question_is_a_get(client):
    """405 for others: a method that counts comes in a header."""
    answer = client.post("/forward-auth", headers=facts())
    assert outcome(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET"
