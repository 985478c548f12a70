"""A browser for ASGI applications: a cookie jar, the headers that browsers send, raw messages."""

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

SAFE = {"GET", "HEAD", "OPTIONS"}
_TURNS = 100


@dataclass
class Answer:
    """What came back. `messages` are the ASGI messages as they were sent."""

    status: int | None
    headers: list[tuple[str, str]]
    body: bytes
    messages: list[dict] = field(default_factory=list)

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def one(self, name):
        (value,) = self.all(name)
        return value

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json().get("code")


class Browser:
    """Keeps cookies by name, and says of unsafe requests that they come from its own page."""

    def __init__(self, app, *, origin="https://app.example.org", peer="203.0.113.7"):
        self.app = app
        self.origin = origin
        self.peer = peer
        self.cookies = {}

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)

    def request(
        self, method, path, *, body=b"", chunks=None, headers=(), jar=True, old=False, **content
    ):
        """`old`: a browser that sends neither Fetch Metadata nor Origin. `jar`: with our cookies."""
        kind, data = _content(**content)
        sent = {"host": urlsplit(self.origin).netloc}
        if kind:
            sent["content-type"] = kind
        if method not in SAFE and not old:
            sent |= {"origin": self.origin, "sec-fetch-site": "same-origin"}
        if jar and self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        given = list(headers.items()) if isinstance(headers, dict) else list(headers)
        named = {name for name, _ in given}
        lines = [item for item in sent.items() if item[0] not in named] + given
        answer = self.exchange(method, path, lines, chunks or [body or data])
        if jar:
            self._keep(answer)
        return answer

    def exchange(self, method, path, lines, chunks):
        return asyncio.run(exchange(self.app, self.scope(method, path, lines), chunks))

    def sign_in(self, user="ann"):
        answer = self.post("/login", json={"user": user})
        assert answer.status == 200, answer
        return answer

    def token(self):
        return self.get("/csrf").json()["token"]

    def connect(self, path, *, headers=(), extensions=(), incoming=()):
        """A WebSocket handshake; the messages that the application sent."""
        sent = {"host": urlsplit(self.origin).netloc, "origin": self.origin}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= dict(headers)
        lines = [(name, value) for name, value in sent.items() if value is not None]
        scope = self.scope("GET", path, lines) | {"type": "websocket", "subprotocols": []}
        del scope["method"]
        scope["scheme"] = scope["scheme"].replace("http", "ws")
        scope["extensions"] = {name: {} for name in extensions}
        return asyncio.run(socket(self.app, scope, incoming))

    def scope(self, method, path, lines):
        path, _, query = path.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": urlsplit(self.origin).scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines],
            "client": self.peer and (self.peer, 4711),
            "server": ("app", 443),
            "extensions": {},
        }

    def _keep(self, answer):
        for text in answer.all("set-cookie"):
            name, value = text.split(";")[0].split("=", 1)
            if "Max-Age=0" in text:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


async def exchange(app, scope, chunks):
    """Run one HTTP request; the body goes in as these chunks."""
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": at < len(chunks) - 1}
        for at, chunk in enumerate(chunks)
    ]
    gone, sent = asyncio.Event(), []

    async def receive():
        if waiting:
            return waiting.pop(0)
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if message["type"].endswith(".body") and not message.get("more_body"):
            gone.set()

    await app(scope, receive, send)
    return _answer(sent)


async def socket(app, scope, incoming):
    waiting = [{"type": "websocket.connect"}, *incoming]
    sent = []

    async def receive():
        if waiting:
            return waiting.pop(0)
        for _ in range(_TURNS):  # some applications drop what they do when their client goes
            await asyncio.sleep(0)
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _answer(sent):
    starts = [message for message in sent if message["type"].endswith(".start")]
    assert len(starts) <= 1
    start = starts[0] if starts else {}
    headers = [(name.decode(), value.decode("latin-1")) for name, value in start.get("headers", ())]
    assert all(name == name.lower() for name, _ in headers)
    body = b"".join(m.get("body", b"") for m in sent if m["type"].endswith(".body"))
    return Answer(start.get("status"), headers, body, sent)


def _content(*, json=None, form=None, multipart=None, kind=None):
    if json is not None:
        return kind or "application/json", _dumped(json)
    if form is not None:
        return kind or "application/x-www-form-urlencoded", urlencode(form).encode()
    if multipart is not None:
        return kind or "multipart/form-data; boundary=xx", _multipart(multipart)
    return kind, b""


def _dumped(value):
    return json.dumps(value).encode()


def _multipart(fields):
    parts = (
        f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return "".join(parts).encode() + b"--xx--\r\n"
