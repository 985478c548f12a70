"""A single-page app on another origin, as the how-to prints both of its halves, in a real browser.

Only a browser knows which cookies go along, and what CORS lets a script read.
"""

import os
import re
import secrets
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service.running import answers, free_port, until

pytestmark = pytest.mark.browser

PAGE = (Path(__file__).parents[2] / "docs/how-to/single-page-app.md").read_text(encoding="utf-8")
APPLICATION = re.search(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
SCRIPT = re.search(r"^```js\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]


SHELL = """<!doctype html><title>working</title><body><script type="module">
const email = "ada", password = "x";
try {
    SCRIPT
    const noted = await call("/notes", { method: "POST" });
    const unproved = await fetch(`${api}/notes`, { method: "POST", credentials: "include" });
    document.body.textContent = JSON.stringify([before, await noted.json(), unproved.status]);
} catch (error) {
    document.body.textContent = `failed: ${error.name}`;
}
document.title = "done";
</script>"""
SIGN_IN = 'await call("/login"'


def shell(url):
    """A page that runs the how-to's script against this API and shows what came of it."""
    assert SCRIPT.count(SIGN_IN) == 1
    script = SCRIPT.replace("https://api.example.com", url)
    before = 'const before = (await call("/me")).status; '
    return SHELL.replace("SCRIPT", script.replace(SIGN_IN, before + SIGN_IN))


@contextmanager
def pages(port, text):
    """Static pages, at localhost and at 127.0.0.1, which are two sites."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args): ...

    with ThreadingHTTPServer(("127.0.0.1", port), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@contextmanager
def api(folder, origin):
    """The how-to's application under uvicorn, for pages of this origin; its address."""
    text = APPLICATION.replace("https://app.example.com", origin)
    (folder / "app.py").write_text(text, encoding="utf-8")
    port = free_port()
    url = f"http://localhost:{port}"
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    given = clean | {"HOLDFAST_SECRET": secrets.token_urlsafe(32)}
    with subprocess.Popen(command, cwd=folder, env=given) as process:
        try:
            until(lambda: answers(url), "the application answers")
            yield url
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        (
            "localhost",
            '[401,{"user":"ada"},403]',
        ),  # named, and of one site: the Strict cookie goes along
        ("127.0.0.1", "failed: TypeError"),  # another origin reads nothing
    ],
)
def test_the_pages_of_the_how_to(visit, tmp_path, host, shown):
    """Refusals can be read: 401 before the sign-in, 403 without the token."""
    port = free_port()
    with api(tmp_path, f"http://localhost:{port}") as url, pages(port, shell(url)):
        page = visit(f"http://{host}:{port}/")
        page.wait_for_function("document.title === 'done'")
        assert page.inner_text("body") == shown
