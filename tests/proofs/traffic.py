"""People and scripts that use the service without a pause, and remember what it has acknowledged.

Each client is a thread with a subject of its own. What was answered must hold from then on, whatever
is killed; what got no answer may have happened or not, and is asked again until it is known.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Event, Thread

import httpx
import jwt

from proofs.people import PASSWORD
from service.clients import bearer

MOST = 8
REMEMBERED = 40
ENDED = "That session had already ended."
NOBODY = "aa1" + "A" * 22
PATIENCE = 60
ANSWER = 30


class Lost(Exception):
    """Something that was acknowledged does not hold."""


@dataclass(eq=False)
class Known:
    """One session as its client knows it. `noted`: whether a notice waits in its data."""

    id: str
    jar: dict = field(default_factory=dict)
    tokens: dict = field(default_factory=dict)
    noted: bool | None = False


class Client(Thread):
    """One client. `failures` holds what was lost; `done` counts what was acknowledged."""

    def __init__(self, url, number, seed, stop: Event):
        super().__init__(daemon=True)
        self.done = Counter()
        self.failures = []
        self._url = url
        self._email = f"person-{number}@example.org"
        self._random = random.Random(f"{seed}/{number}")
        self._stopped = stop
        self._living = []
        self._dead = []
        self._http = httpx.Client(base_url=url, timeout=ANSWER)

    def run(self):
        try:
            while not self._stopped.is_set():
                self._act(self._random.choice(self._acts()))
            self._act(self._check_everything)
        finally:
            self._http.close()

    def _act(self, act):
        try:
            act()
        except Lost as lost:
            self.failures.append(f"{self._email}: {act.__name__.strip('_')}: {lost}")

    def _acts(self):
        """What may come next, the frequent things more than once."""
        if not self._living:
            return [self._sign_in, self._login]
        more = [self._sign_in, self._login] if len(self._living) < MOST else []
        often = [self._check_living, self._check_dead, self._note, self._refresh] * 2
        return [*more, *often, self._rotate, self._log_out, self._end_one, self._end_others]

    # What is acknowledged

    def _sign_in(self):
        jar = {}
        token = self._csrf(jar)
        body = {"email": self._email, "password": PASSWORD}
        answer = self._send("POST", "/api/login", jar, json=body, headers=token)
        if self._acknowledged(answer, "sign-in"):
            self._living.append(Known(_id(jar), jar=jar))

    def _login(self):
        body = {"email": self._email, "password": PASSWORD}
        answer = self._send("POST", "/login", json=body)
        if self._acknowledged(answer, "login"):
            tokens = answer.json()
            self._living.append(Known(_sid(tokens), tokens=tokens))

    def _note(self):
        """A change of the session's data: the sentence for the next page."""
        known = self._one(lambda each: each.jar)
        if known is None:
            return
        form = {"session": NOBODY, "csrf_token": self._csrf(known.jar)["X-CSRF-Token"]}
        known.noted = None
        answer = self._send("POST", "/sessions/end", known.jar, data=form)
        if self._acknowledged(answer, "change", 303):
            known.noted = True

    def _refresh(self):
        known = self._one(lambda each: each.tokens)
        if known is None:
            return
        body = {"refresh_token": known.tokens["refresh_token"]}
        known.tokens = self._until_answered("POST", "/refresh", json=body).json()
        self.done["refresh"] += 1

    def _rotate(self):
        """The password once more: a new secret for the same session."""
        known = self._one(lambda each: each.jar)
        if known is None:
            return
        before, token = dict(known.jar), self._csrf(known.jar)
        again = {"json": {"password": PASSWORD}, "headers": token}
        answer = self._send("POST", "/api/reauthenticate", known.jar, **again)
        if not self._acknowledged(answer, "rotate"):
            self._living.remove(known)  # nobody knows which cookie counts
            return
        self._dead.append(Known("", jar=before))

    def _log_out(self):
        known = self._random.choice(self._living)
        if known.tokens:
            mine = bearer(known.tokens["access_token"])
            self._until_answered("POST", "/api/auth/logout", also=401, headers=mine)
        else:
            again = {"headers": self._csrf(known.jar), "also": 401}
            self._until_answered("POST", "/api/logout", dict(known.jar), **again)
        self._ended(known, "log-out")

    def _end_one(self):
        known, other = self._one(lambda each: each.jar), self._random.choice(self._living)
        if known is None or known is other:
            return
        again = {"headers": self._csrf(known.jar), "also": 404}
        self._until_answered("DELETE", f"/api/sessions/{other.id}", known.jar, **again)
        self._ended(other, "end one")

    def _end_others(self):
        known = self._one(lambda each: each.jar)
        if known is None or self._random.random() < 0.7:
            return
        token = self._csrf(known.jar)
        self._until_answered("POST", "/api/sessions/end-others", known.jar, headers=token)
        for other in [each for each in self._living if each is not known]:
            self._ended(other, "end others")

    # What must hold

    def _check_living(self):
        self._is(self._random.choice(self._living), 200)

    def _check_dead(self):
        if self._dead:
            self._is(self._random.choice(self._dead), 401)

    def _check_everything(self):
        for known in self._living:
            self._is(known, 200)
        for known in self._dead:
            self._is(known, 401)

    def _is(self, known, status):
        headers = bearer(known.tokens["access_token"]) if known.tokens else {}
        found = self._until_answered(
            "GET", "/api/me", dict(known.jar), also=(200, 401), headers=headers
        )
        if found.status_code != status:
            raise Lost(
                f"session {known.id or 'of an old cookie'} is {found.status_code}, not {status}"
            )
        if known.noted and status == 200 and not known.tokens:
            self._notice(known)

    def _notice(self, known):
        known.noted = False  # the page takes it, also if its answer is lost
        page = self._send("GET", "/sessions", known.jar)
        if page is not None and page.status_code != 503 and ENDED not in page.text:
            raise Lost(f"the change of session {known.id}: {page.status_code}")

    # Requests

    def _csrf(self, jar):
        answer = self._until_answered("GET", "/csrf-token", jar)
        return {"X-CSRF-Token": answer.json()["csrfToken"]}

    def _until_answered(self, method, path, jar=None, *, also=(), **options):
        """The answer, 200 or one of `also`; the request is repeated until there is one."""
        wanted = {200, *(also if isinstance(also, tuple) else (also,))}
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self._send(method, path, jar, **options)
            if answer is not None and answer.status_code in wanted:
                return answer
            if answer is not None and answer.status_code != 503:
                raise Lost(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            time.sleep(0.05)
        raise Lost(f"{method} {path}: no answer for {PATIENCE} s")

    def _send(self, method, path, jar=None, **options):
        """One request; None if there is no answer. Cookies go in and out of `jar`."""
        headers = dict(options.pop("headers", {}))
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        self._http.cookies.clear()
        try:
            answer = self._http.request(method, path, headers=headers, **options)
        except httpx.HTTPError:
            return None
        if jar is not None:
            jar.update(answer.cookies.items())
        return answer

    def _acknowledged(self, answer, what, status=200):
        if answer is None or answer.status_code == 503:
            time.sleep(0.05)
            return False
        if answer.status_code != status:
            raise Lost(f"{what}: {answer.status_code} {answer.text[:200]}")
        self.done[what] += 1
        return True

    def _ended(self, known, what):
        self.done[what] += 1
        self._living.remove(known)
        self._dead = [*self._dead, known][-REMEMBERED:]

    def _one(self, wanted):
        found = [each for each in self._living if wanted(each)]
        return self._random.choice(found) if found else None


def _id(jar):
    return jar["session"].split(".")[1]


def _sid(tokens):
    return jwt.decode(tokens["access_token"], options={"verify_signature": False})["sid"]
