"""A WSGI application behind the interface of ASGI, so that one browser and one table serve both."""

import io
import sys
from http import HTTPStatus


class OverAsgi:
    """Runs each request to its end when the whole body is there, as a threaded server does."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status, headers, answer = run(self._app, environ_of(scope, body))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def environ_of(scope, body):
    """As PEP 3333 has it; lines of one name are joined as HTTP/2 joins them."""
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope["client"]:
        environ["REMOTE_ADDR"] = scope["client"][0]
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").upper().replace("-", "_")
        name = name if name == "CONTENT_TYPE" else f"HTTP_{name}"
        text, joint = value.decode("latin-1"), "; " if name == "HTTP_COOKIE" else ","
        environ[name] = f"{environ[name]}{joint}{text}" if name in environ else text
    return environ


def run(app, environ):
    """Status, raw headers and body of the answer."""
    started = []

    def start_response(status, headers, exc_info=None):
        assert exc_info or not started
        started[:] = [HTTPStatus(int(status[:3])).value, headers]

    chunks = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    status, headers = started
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return status, raw, body
