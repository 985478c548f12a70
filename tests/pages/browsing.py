"""Who uses the pages in these tests: some people, and browsers that know only plain forms."""

import asyncio
import re
from html import unescape
from types import SimpleNamespace

import httpx

from holdfast.chain import Refusal, error_reply
from holdfast.rules.secret import parse_cookie

BASE = "http://127.0.0.1:8080"
PEOPLE = {"ada@example.org": "correct horse battery", "bob@example.org": "another long password"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36"
)


def too_many(seconds):
    headers = ("Retry-After", str(seconds))
    return Refusal(error_reply(429, "too_many_attempts", "Too many attempts", headers))


class Browser:
    """A browser's ways on plain forms: cookies, hidden fields, redirects one at a time."""

    def __init__(self, app, agent=FIREFOX):
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=("127.0.0.1", 50000)),
            base_url=BASE,
            headers={"User-Agent": agent},
        )
        self.page = None

    def send(self, method, path, **options):
        """One request; its answer, redirects not followed."""
        return asyncio.run(self.http.request(method, path, **options))

    def get(self, path):
        """Open a page, following redirects."""
        self.page = self.send("GET", path, follow_redirects=True)
        return self.page

    def submit(self, action, **fields):
        """Send the first form of the page with this action; the answer, redirects not followed."""
        form = next(form for form in self.forms if form.action == action)
        return self.send("POST", action, data=form.hidden | fields)

    def press(self, action, **fields):
        """Send a form, and follow the redirect."""
        answer = self.submit(action, **fields)
        self.page = self.get(answer.headers["Location"]) if answer.status_code == 303 else answer
        return self.page

    def sign_in(self, email="ada@example.org", password=None):
        self.get("/sign-in")
        return self.press("/sign-in", email=email, password=password or PEOPLE[email])

    @property
    def session_id(self):
        """The public half of the session cookie."""
        return parse_cookie(self.http.cookies["session"]).id

    @property
    def text(self):
        """What stands on the page."""
        text = re.sub(r"</?bdi[^>]*>", "", self.page.text)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())

    @property
    def forms(self):
        found = re.findall(
            r'<form[^>]* action="([^"]*)"[^>]*>(.*?)</form>', self.page.text, re.DOTALL
        )
        return [SimpleNamespace(action=action, hidden=_hidden(body)) for action, body in found]


def _hidden(body):
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', body)
    return {name: unescape(value) for name, value in fields}
