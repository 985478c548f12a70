"""Bad input over a real connection: every shape of bytes gets a 4xx with a code and an audit event.

What `test_bad_input` shows of the application is shown here of the service as it runs, down to bytes
that no HTTP library would send.
"""

import json
import re
import secrets
import socket
import string

import httpx
import jwt
import pytest

from holdfast import keyfile
from holdfast.rules import base64url
from holdfast.rules.keys import KeyRing
from holdfast.service.connection import MAX_HEAD
from holdfast.service.home import KEY_FILE
from service.clients import bearer
from service.running import Server, until

SHAPES = {
    "empty": b"",
    "space": b"  ",
    "word": b"x",
    "quoted": b'"x"',
    "NUL": b"a\0b",
    "CR": b"a\rb",
    "LF": b"a\nb",
    "CRLF": b"a\r\nX-Injected: b\r\n\r\nGET /healthz HTTP/1.1\r\n",
    "tab": b"a\tb",
    "escape": b"\x1b[31m",
    "UTF-8": "\N{LATIN SMALL LETTER E WITH ACUTE}\N{LOCK}".encode(),
    "Latin-1": b"\xe9",
    "high": b"\xff" * 40,
    "60 KB": b"A" * 60_000,
    "1 MB": b"A" * 1_000_000,
    "valid and unknown": b"1.aa1" + b"A" * 22 + b"." + b"A" * 43,
    "dots": b"." * 500,
    "SQL": b"1.aa1' OR 1=1 --",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("bad") / "home"


@pytest.fixture(scope="module")
def server(home):
    server = Server(home, "--demo", RATE="100000/15m")
    yield server
    assert "Traceback" not in server.output
    assert server.stop() == 0


@pytest.fixture
def session(server):
    """A browser's cookie, and the tokens of a script."""
    with httpx.Client(base_url=server.url) as browser:
        token = browser.get("/csrf-token").json()["csrfToken"]
        body = dict(zip(("email", "password"), server.credentials, strict=True))
        assert browser.post("/api/login", json=body, headers={"X-CSRF-Token": token}).is_success
        return browser.cookies["session"]


def sent(server, method, path, *lines, body=b""):
    """One request byte by byte: status, JSON of the answer, and everything that came."""
    length = (b"Content-Length: %d" % len(body),) if body else ()
    head = (f"{method} {path} HTTP/1.1".encode(), b"Host: 127.0.0.1", b"Connection: close")
    return raw(server, b"\r\n".join([*head, *lines, *length, b"", body]))


def raw(server, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        came = b""
        while part := connection.recv(65536):
            came += part
    head, _, body = came.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
    return int(status[1]), json.loads(body), came


def noticed(server, act):
    """The audit events that came of it, and of nothing before or after."""
    before = settled(server)
    act()
    return events(server.lines[before : settled(server) - 1])


def settled(server):
    """How many lines there are once all is written that has happened: a request of ours comes last."""
    mark = secrets.token_hex(8)
    sent(server, "GET", "/api/me", b"Authorization: Bearer x", b"X-Request-ID: " + mark.encode())

    def last():
        return [at for at, line in enumerate(server.lines, 1) if mark in line]

    until(last, "the mark")
    return last()[0]


def events(lines):
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("before", [b"Cookie: session=", b"Authorization: Bearer "])
def test_credentials_of_any_shape(server, before, shape):
    """401, or 400 where it is no HTTP; audited, unless nothing at all was sent."""
    answers = []

    def act():
        answers.append(sent(server, "GET", "/api/me", before + SHAPES[shape]))

    events = noticed(server, act)
    assert {event["event"] for event in events} <= {"authz_fail", "session_use_after_expire"}
    status, answer, came = answers[0]
    assert (status, answer["code"]) in {(401, "unauthenticated"), (400, "bad_request")}
    assert came.count(b"HTTP/1.1 ") <= 2
    assert b"X-Injected" not in came


@pytest.mark.parametrize("shape", SHAPES)
def test_csrf_tokens_of_any_shape(server, session, shape):
    """403, or 400 where it is no HTTP; the session goes on."""
    cookie = b"Cookie: session=" + session.encode()
    token = b"X-CSRF-Token: " + SHAPES[shape]
    status, answer, _ = sent(server, "POST", "/api/logout", cookie, token)
    assert (status, answer["code"]) in {(403, "csrf_failed"), (400, "bad_request")}
    assert sent(server, "GET", "/api/me", cookie)[0] == 200


@pytest.mark.parametrize("path", ["/refresh", "/api/auth/refresh"])
@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "1 MB"])
def test_refresh_tokens_of_any_shape(server, path, shape):
    """401, 400 for nothing, 413 for too much."""
    text = SHAPES[shape].decode("latin-1")
    body = json.dumps({"refresh_token": text}).encode()
    status, answer, _ = sent(server, "POST", path, b"Content-Type: application/json", body=body)
    wanted = {(401, "invalid_token"), (400, "refresh_token_required"), (413, "body_too_large")}
    assert (status, answer["code"]) in wanted


def test_cookie_of_pieces(server, session):
    """Cut anywhere, halves swapped with another session's, doubled, in another case: 401 for each."""
    version, id, secret = session.split(".")
    other = f"{version}.{id[:-2]}AA.{secret}"
    pieces = {
        session[:-1],
        session[1:],
        f"{version}.{secret}.{id}",
        f"{version}.{id}",
        f"{version}.{id}.",
        f"2.{id}.{secret}",
        session + "A",
        session.upper(),
        session.replace(".", "%2E"),
        other,
        f"{id}.{secret}",
    }
    for piece in pieces - {session}:
        status, answer, _ = sent(server, "GET", "/api/me", b"Cookie: session=" + piece.encode())
        assert (status, answer["code"]) == (401, "unauthenticated"), piece
    assert sent(server, "GET", "/api/me", b"Cookie: session=" + session.encode())[0] == 200


def test_two_cookies_of_one_name(server, session):
    """In one header or in two: neither counts, and it is audited (R60)."""
    mine = b"session=" + session.encode()
    for lines in ([b"Cookie: session=x; " + mine], [b"Cookie: " + mine, b"Cookie: session=x"]):
        answers = []
        events = noticed(
            server,
            lambda lines=lines, to=answers: to.append(sent(server, "GET", "/api/me", *lines)),
        )
        assert [event["reason"] for event in events] == ["duplicate"]
        assert answers[0][0] == 401


# Tokens that somebody made


@pytest.fixture(scope="module")
def forger(server, home):
    return Forger(server.login(), keyfile.load(home / KEY_FILE))


class Forger:
    """Somebody with a token, and, for what only a signature can show, with the keys."""

    def __init__(self, tokens, ring):
        self.access, self.refresh = tokens["access_token"], tokens["refresh_token"]
        self.head = jwt.get_unverified_header(self.access)
        self.claims = jwt.decode(self.access, options={"verify_signature": False})
        self.key = ring.signer("access").material
        self.master = ring.masters[0].material
        self.staging = KeyRing.from_secrets([self.master], environment="staging").signer("access")
        self.unsigned, _, self.signature = self.access.rpartition(".")

    def signed(self, key=None, algorithm="HS256", head=(), without=(), **claims):
        """The token with other claims, header or key."""
        kept = {name: value for name, value in self.claims.items() if name not in without}
        headers = {**self.head, **dict(head)}
        return jwt.encode({**kept, **claims}, key or self.key, algorithm, headers=headers)

    def unsigned_as(self, algorithm):
        head = _part({**self.head, "alg": algorithm})
        return f"{head}.{self.access.split('.')[1]}."

    def with_more_rights(self):
        parts = self.access.split(".")
        return ".".join([parts[0], _part({**self.claims, "role": "admin"}), parts[2]])


def _part(value):
    return base64url.encode(json.dumps(value).encode())


def _twin(text):
    """Another text for the same bytes: the low bits of the last character do not count."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    twin = text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]
    assert jwt.utils.base64url_decode(twin) == jwt.utils.base64url_decode(text)
    return twin


FORGERIES = {
    "alg none": lambda forger: forger.unsigned_as("none"),
    "alg nOnE": lambda forger: forger.unsigned_as("nOnE"),
    "no signature": lambda forger: f"{forger.unsigned}.",
    "two parts": lambda forger: forger.unsigned,
    "four parts": lambda forger: f"{forger.access}.x",
    "a twin signature": lambda forger: f"{forger.unsigned}.{_twin(forger.signature)}",
    "padding": lambda forger: f"{forger.access}=",
    "more rights": Forger.with_more_rights,
    "another algorithm": lambda forger: forger.signed(forger.key * 2, "HS512"),
    "the key of staging": lambda forger: forger.signed(forger.staging.material),
    "key and name of staging": lambda forger: forger.signed(
        forger.staging.material, head={"kid": forger.staging.kid}
    ),
    "the master secret": lambda forger: forger.signed(forger.master),
    "an unknown key": lambda forger: forger.signed(head={"kid": "nobody"}),
    "a key that is a path": lambda forger: forger.signed(head={"kid": "../../dev/null"}),
    "a refresh token": lambda forger: forger.refresh,
    "the type refresh": lambda forger: forger.signed(type="refresh"),
    "no type": lambda forger: forger.signed(without={"type"}),
    "the header of a refresh token": lambda forger: forger.signed(head={"typ": "rt+jwt"}),
    "the header of any token": lambda forger: forger.signed(head={"typ": "JWT"}),
    "an end in the past": lambda forger: forger.signed(exp=forger.claims["iat"] - 3600),
    "no end": lambda forger: forger.signed(without={"exp"}),
    "another issuer": lambda forger: forger.signed(iss="holdfast:staging"),
    "another audience": lambda forger: forger.signed(aud="somebody else"),
    "an unknown session": lambda forger: forger.signed(
        sid="aa1" + "A" * 22, jti="aa1" + "A" * 22 + ".x"
    ),
    "no session": lambda forger: forger.signed(without={"sid", "jti"}),
}


def test_the_forger_can_sign(server, forger):
    """What is refused below is refused for what it says, not because the pen is broken."""
    mine = bearer(forger.signed())
    assert httpx.get(f"{server.url}/api/me", headers=mine).status_code == 200


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_tokens(server, forger, forgery):
    """401 with a code, audited, for calls, log-out and refresh alike; the session goes on."""
    token = FORGERIES[forgery](forger)
    answers = []

    def act():
        for method, path in (("GET", "/api/me"), ("POST", "/api/auth/logout")):
            url = server.url + path
            answers.append(httpx.request(method, url, headers=bearer(token)))

    events = noticed(server, act)
    assert {event["event"] for event in events} <= {"authz_fail", "session_use_after_expire"}
    assert [answer.status_code for answer in answers] == [401, 401]
    assert all(answer.json()["code"] for answer in answers)
    if token != forger.refresh:
        again = httpx.post(f"{server.url}/refresh", json={"refresh_token": token})
        assert again.status_code == 401
    mine = bearer(forger.access)
    assert httpx.get(f"{server.url}/api/me", headers=mine).status_code == 200


# What is no HTTP


def test_a_head_has_a_bound(server):
    """Endless headers are refused while they come; the bound is for the head, not for a body."""
    endless = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Long: " + b"A" * (MAX_HEAD + 1)
    status, answer, _ = raw(server, endless)
    assert (status, answer["code"]) == (400, "bad_request")
    many = b"".join(b"X-%d: %s\r\n" % (number, b"A" * 100) for number in range(3000))
    assert raw(server, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + many)[0] == 400
    with httpx.Client(base_url=server.url) as client:
        for _ in range(3):  # each head of a connection is counted for itself
            big = {"X-Big": "A" * (MAX_HEAD - 1000)}
            assert client.get("/healthz", headers=big).status_code == 200
        large = client.post("/login", json={"email": "x" * (2 * MAX_HEAD)})
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "request_line",
    [
        b"\0" * 50,
        b"GET / HTTP/9.9",
        b"GET /" + b"a" * 300_000 + b" HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET / HTTP/1.1 and more",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0",
    ],
    ids=lambda line: repr(line[:12]),
)
def test_what_is_no_http(server, request_line):
    """400 with a code, the headers of every answer, and one audit event."""
    answers = []
    events = noticed(
        server, lambda: answers.append(raw(server, request_line + b"\r\nHost: x\r\n\r\n"))
    )
    ((status, answer, came),) = answers
    assert (status, answer["code"]) == (400, "bad_request")
    assert b"x-content-type-options: nosniff" in came.lower()
    assert b"\r\nserver:" not in came.lower()
    assert [(event["event"], event["reason"]) for event in events] == [
        ("authz_fail", "bad_request")
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 3", b"Transfer-Encoding: chunked"],
        [b"Content-Length: -1"],
        [b"Content-Length: 3", b"Content-Length: 4"],
        [b"Content-Length: 3, 3"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Content-Length : 3"],
        [b" folded: x"],
    ],
)
def test_two_ways_to_read_a_length(server, lines):
    """Request smuggling: nothing that a proxy could read differently."""
    status, answer, came = sent(
        server, "POST", "/login", b"Content-Type: application/json", *lines, b"", b"abc"
    )
    assert (status, answer["code"]) in {(400, "bad_request"), (400, "invalid_json")}
    assert came.count(b"HTTP/1.1 ") == 1


def test_a_body_that_is_announced_too_large_is_not_waited_for(server):
    """413 at once, with nothing of it sent."""
    for length in (b"16385", b"100000000", b"9" * 19):
        announced = b"Content-Length: " + length
        status, answer, _ = sent(
            server, "POST", "/login", b"Content-Type: application/json", announced
        )
        assert (status, answer["code"]) in {(413, "body_too_large"), (400, "bad_request")}


def test_an_upgrade_is_a_plain_request(server):
    """There is no WebSocket here, and no line in the log for whoever asks."""
    before = len(server.lines)
    upgrade = [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"]
    assert sent(server, "GET", "/api/me", *upgrade)[0] in {400, 401}
    assert not any("WebSocket" in line for line in server.lines[before:])


def test_it_is_still_there(server):
    """After all that."""
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
    assert server.me(server.login()) == 200
