"""The application is asked over HTTP whose password it is; whatever it answers, nobody is guessed."""

import json
import logging
import socket
import ssl
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from threading import Thread

import pytest

from holdfast.errors import ConfigurationError
from holdfast.service import http_authenticator
from holdfast.service.app import create_app
from service.clients import EMAIL, PASSWORD, Client, bearer, built, configuration, outcome

KEY = "the key that the application knows: 9 otters"
BODY = {"email": EMAIL, "password": PASSWORD}
UNAVAILABLE = (503, "authenticator_unavailable")


def said(value, status="200 OK", *headers, content_type="application/json"):
    """The bytes of an answer."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *headers, "", ""]).encode() + body


class Application:
    """A real server of one's own words; `requests` are what it was asked, as head and body."""

    def __init__(self, tls=None):
        self.answer = said({"subject": "user-1"})
        self.requests = []
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(10)
                self._talk(connection)

    def _talk(self, connection):
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        head, _, body = _read(connection).partition(b"\r\n\r\n")
        self.requests.append((head.decode(), json.loads(body)))
        if callable(self.answer):
            self.answer(connection)
        else:
            connection.sendall(self.answer)
        connection.close()

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


def _read(connection):
    """A whole request."""
    seen = b""
    while b"\r\n\r\n" not in seen or len(seen.partition(b"\r\n\r\n")[2]) < _length(seen):
        seen += connection.recv(65536) or b"\r\n\r\n"
    return seen


def _length(seen):
    head = seen.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length:")[2].split(b"\r\n")[0])


@pytest.fixture
def application():
    application = Application()
    yield application
    application.close()


@pytest.fixture
def variables(application):
    return {
        "AUTHENTICATOR": f"http://127.0.0.1:{application.port}/check?of=shop",
        "AUTHENTICATOR_KEY": KEY,
        "AUTHENTICATOR_TIMEOUT": "500ms",
    }


@pytest.fixture
def client(context):
    return Client(create_app(context))


def login(client, **changes):
    return client.post("/login", json=BODY | changes)


# What is asked


def test_what_the_application_is_asked(application, client):
    """A POST with the name, the password, and the key by which it knows who asks."""
    assert login(client).status_code == 200
    ((head, body),) = application.requests
    lines = head.split("\r\n")
    assert lines[0] == "POST /check?of=shop HTTP/1.1"
    assert f"Host: 127.0.0.1:{application.port}" in lines
    assert f"Authorization: Bearer {KEY}" in lines
    assert "Content-Type: application/json" in lines
    assert body == BODY


def test_both_ways_to_sign_in_ask(application, client):
    """Browsers, too."""
    answer = client.post("/api/login", json=BODY, headers=client.csrf())
    assert answer.json() == {"success": True}
    assert client.get("/api/me").json()["subject"] == "user-1"


# What it may answer


@pytest.mark.parametrize(
    ("roles", "claim"),
    [([], None), (["author"], "author"), (["author", "admin"], ["author", "admin"])],
)
def test_whose_credentials_they_are(application, client, roles, claim):
    """Subject, e-mail and roles go into session and tokens."""
    application.answer = said({"subject": "user-1", "email": "a@example.org", "roles": roles})
    access = login(client).json()["access_token"]
    me = client.get("/api/me", headers=bearer(access)).json()
    assert (me["subject"], me["email"], me.get("role")) == ("user-1", "a@example.org", claim)


def test_without_an_email_it_is_the_one_that_was_given(application, client):
    """What is unknown in the answer is ignored."""
    application.answer = said({"subject": "user-1", "more": [1]})
    access = login(client).json()["access_token"]
    assert client.get("/api/me", headers=bearer(access)).json()["email"] == EMAIL


def test_wrong_credentials(application, client):
    """Only a subject of null says so."""
    application.answer = said({"subject": None})
    assert outcome(login(client)) == (401, "invalid_credentials")


# What is no answer


def drip(*pieces, every=0.1):
    """Send the pieces, and then one byte after the other, without an end."""

    def answer(connection):
        for piece in pieces:
            connection.sendall(piece)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            time.sleep(every)
            connection.sendall(b" ")

    return answer


def flood(connection):
    """A body without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    for _ in range(10_000):
        connection.sendall(b" " * 65536)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
USELESS = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "a key that it does not know": said({"error": "unauthorized"}, "401 Unauthorized"),
    "not found": said({"subject": None}, "404 Not Found"),
    "forbidden": said({"subject": None}, "403 Forbidden"),
    "a defect": said({"subject": None}, "500 Internal Server Error"),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "no JSON": said(b"<html>"),
    "a page": said(b"<html>", content_type="text/html"),
    "JSON by another name": said({"subject": "user-1"}, content_type="text/plain"),
    "a list": said([]),
    "null": said(None),
    "no subject": said({}),
    "a number": said({"subject": 7}),
    "an empty subject": said({"subject": ""}),
    "a subject with a control": said({"subject": "a\nb"}),
    "a long subject": said({"subject": "x" * 600}),
    "roles that are a text": said({"subject": "user-1", "roles": "admin"}),
    "roles of numbers": said({"subject": "user-1", "roles": [1]}),
    "roles without end": said({"subject": "user-1", "roles": ["x" * 90] * 90}),
    "an e-mail that is none": said({"subject": "user-1", "email": 3}),
    "nested deeply": said(b"[" * 10_000),
    "half a body": said({"subject": "user-1"})[:-5],
    "chunks that are none": CHUNKED + b"xyz\r\n",
    "no UTF-8": said(b'{"subject": "\xff"}'),
    "too much": said({"subject": "user-1", "more": "x" * 20_000}),
    "without end": flood,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    "a line without end": b"HTTP/1.1 200 OK\r\na: " + b"x" * 70_000 + b"\r\n\r\n",
    "continue without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
}


@pytest.mark.parametrize("answer", USELESS.values(), ids=USELESS)
def test_an_answer_that_says_nothing(application, client, answer):
    """503 with a code, and never "wrong password"."""
    application.answer = answer
    refused = login(client)
    assert outcome(refused) == UNAVAILABLE
    assert refused.headers["Retry-After"] == "2"


SLOW = {
    "no head": drip(),
    "half a head": drip(b"HTTP/1.1 200 OK\r\na: "),
    "half a body": drip(HEAD, b"\r\n"),
    "chunks": drip(CHUNKED, b"1\r\n[\r\n"),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_an_answer_that_does_not_end(application, client, answer):
    """The time limit is for the whole of it, also where a byte comes now and then."""
    application.answer = answer
    started = time.monotonic()
    assert outcome(login(client)) == UNAVAILABLE
    assert 0.4 < time.monotonic() - started < 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_no_redirection_is_followed(application, client, status):
    """A password goes where the settings say, and nowhere else."""
    elsewhere = Application()
    location = f"Location: http://127.0.0.1:{elsewhere.port}/"
    application.answer = said({"subject": "user-1"}, status, location)
    try:
        assert outcome(login(client)) == UNAVAILABLE
        assert (len(application.requests), elsewhere.requests) == (1, [])
    finally:
        elsewhere.close()


def test_an_application_that_is_away(application, client):
    """And back: the next sign-in is asked again."""
    address = application.port
    application.close()
    assert outcome(login(client)) == UNAVAILABLE
    application._listening = socket.create_server(("127.0.0.1", address))
    application._thread = Thread(target=application._serve, daemon=True)
    application._thread.start()
    assert login(client).status_code == 200


def test_nothing_of_it_is_logged(application, client, caplog):
    """Neither the password, nor the key, nor what the application has said."""
    caplog.set_level(logging.DEBUG)
    for answer in (USELESS["a defect"], said(b"secret words"), b"secret words"):
        application.answer = answer
        login(client)
    assert "the authenticator did not answer: status 500" in caplog.text
    for secret in (PASSWORD, KEY, "secret words", EMAIL):
        assert secret not in caplog.text


def test_the_key_is_never_shown(context):
    """Not in what a stack trace or a debugger prints (R164)."""
    assert KEY not in repr(context.authenticator)


# Limits of sign-in


def test_failures_count_as_ever(application, client):
    """After twenty wrong ones the application is not even asked."""
    application.answer = said({"subject": None})
    codes = [login(client).status_code for _ in range(21)]
    assert (codes[:20], codes[20], len(application.requests)) == ([401] * 20, 429, 20)


def test_an_outage_is_nobodys_failure(application, client):
    """Not one of the tries that it swallowed counts."""
    application.answer = USELESS["a defect"]
    for _ in range(25):
        assert outcome(login(client)) == UNAVAILABLE
    application.answer = said({"subject": "user-1"})
    assert login(client).status_code == 200


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of `localhost`, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "key.pem", folder / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*make.split(), *names, "-keyout", files[0], "-out", files[1]],
        check=True,
        capture_output=True,
    )
    return files


@pytest.fixture
def secure(certificate):
    """An application behind TLS, and the context of a client that trusts it."""
    key, cert = certificate
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(cert, key)
    application = Application(own)
    yield application, ssl.create_default_context(cafile=str(cert))
    application.close()


def over_tls(application, host="localhost"):
    url = f"https://{host}:{application.port}/check"
    return http_authenticator.load(url, key=KEY, within=0.5)


def test_an_application_behind_tls(secure):
    application, trusting = secure
    asked = replace(over_tls(application), tls=trusting)
    assert asked.check(EMAIL, PASSWORD).subject == "user-1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_nobody_vouches_for(secure, host):
    """Or of another name: the password is not sent."""
    application, trusting = secure
    asked = over_tls(application, host)
    asked = replace(asked, tls=trusting) if host != "localhost" else asked
    with pytest.raises(Exception, match="503"):
        asked.check(EMAIL, PASSWORD)
    assert application.requests == []


def test_a_handshake_that_does_not_end():
    """Bounded, too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = http_authenticator.load(
            f"https://127.0.0.1:{silent.getsockname()[1]}/", key=KEY, within=0.3
        )
        started = time.monotonic()
        with pytest.raises(Exception, match="503"):
            asked.check(EMAIL, PASSWORD)
    assert time.monotonic() - started < 2


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example.org/check",
        "http://10.0.0.1/check",
        "http://127.0.0.1.example.org/",
        "https://user@app.example.org/",
        "https://app.example.org/#a",
        "https://app.example.org:x/",
        "https://",
        "https://app.example.org/a b",
        "https://app.example.org/\r\nX: y",
        "https://[::1/",
    ],
)
def test_where_no_password_goes(url):
    """Only over HTTPS, or to this machine; a mistake shows at the start."""
    with pytest.raises(ConfigurationError, match=r"https://app\.example\.org/check-password"):
        http_authenticator.load(url, key=KEY, within=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.0.0.9:8000"])
def test_this_machine_needs_no_tls(host):
    assert http_authenticator.load(f"http://{host}/check", key=KEY, within=1)


def test_without_a_key(tmp_path, clock, events, quick):
    """Nobody could tell who asks, so the service does not start; nor with a short one."""
    with pytest.raises(ConfigurationError, match="authenticator_key"):
        built(tmp_path, clock, events, AUTHENTICATOR="http://127.0.0.1/check")
    with pytest.raises(ConfigurationError, match="32 characters"):
        configuration(tmp_path, AUTHENTICATOR_KEY="short")


def test_its_time_ends_before_that_of_the_sign_in(tmp_path):
    """Or the answer would be "busy", which is another thing."""
    with pytest.raises(ConfigurationError, match="AUTHENTICATOR_TIMEOUT"):
        configuration(tmp_path, AUTHENTICATOR_KEY=KEY, AUTHENTICATOR_TIMEOUT="10s")
