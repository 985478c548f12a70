"""Random lives of two clients over two processes, held against a model of the promises.

1. What was ended is refused at once, by every process, through every credential, for ever.
2. No acknowledged change of data is lost: it merges or is told.
3. No retry inside the grace signs anybody out, and every reuse outside it ends the session.
4. Nothing that is stored or audited can be used as a credential.
"""

import os
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from faces import DAY, FIREFOX, KEYS, SECOND, claims_of
from holdfast import Conflict, Reason, SessionEnded, Sessions, Settings, sinks
from holdfast.rules import secret
from holdfast.testing import FakeClock, MemoryStore

CLIENTS = st.sampled_from(["one", "two"])
PROCESSES = st.sampled_from([0, 1])
SUBJECTS = st.sampled_from(["ada", "bob"])
KEYS_OF_DATA = st.sampled_from("abc")
PAUSES = st.sampled_from([0, 1, 5 * SECOND, 29_999, 30 * SECOND, 60 * SECOND])
ENDS = [
    "sign_out",
    "revoke_by_refresh_token",
    "revoke_all",
    "revoke_others",
    "revoke_everyone",
    "a_week_passes",
]


@dataclass
class Life:
    """What must be true of one session."""

    id: str
    cookie: str
    subject: str | None = None
    alive: bool = True
    data: dict = field(default_factory=dict)
    dead_cookies: list = field(default_factory=list)
    family: list = field(default_factory=list)
    rotated: list = field(default_factory=list)
    ended_families: list = field(default_factory=list)
    access: list = field(default_factory=list)
    revoked: list = field(default_factory=list)


class Promises(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.events = []
        self.processes = [
            Sessions(
                self.store,
                Settings(),
                KEYS,
                clock=self.clock,
                entropy=os.urandom,
                sinks=[self.events.append],
            )
            for _ in range(2)
        ]
        self.lives = []
        self.held = {}

    # What clients hold

    def life(self, client):
        """The living session of this client; None if it has none."""
        found = self.held.get(client)
        return found if found and found.alive else None

    def begin(self, client, process):
        held = self.held.get(client)
        return self.processes[process].begin(held.cookie if held else None, FIREFOX)

    def hold(self, client, session, **facts):
        life = Life(session.id, session.cookie, **facts)
        self.lives.append(life)
        self.held[client] = life

    def end(self, life):
        life.alive = False

    # Requests

    @rule(client=CLIENTS, process=PROCESSES, key=KEYS_OF_DATA, value=st.integers(0, 3))
    def write(self, client, process, key, value):
        life, session = self.life(client), self.begin(client, process)
        session[key] = value
        self.processes[process].commit(session)
        if life is None:
            self.hold(client, session, data={key: value})
        else:
            life.data[key] = value

    @rule(client=CLIENTS, process=PROCESSES, subject=SUBJECTS)
    def sign_in(self, client, process, subject):
        old, session = self.life(client), self.begin(client, process)
        self.processes[process].sign_in(session, subject, role="user")
        carried = old.data if old and old.subject in {None, subject} else {}
        if old:
            self.end(old)
        self.hold(client, session, subject=subject, data=dict(carried))

    @precondition(lambda self: any(map(self.life, ("one", "two"))))
    @rule(client=CLIENTS, process=PROCESSES)
    def rotate(self, client, process):
        life = self.life(client)
        if life is None:
            return
        session = self.begin(client, process)
        self.processes[process].rotate(session)
        life.dead_cookies.append(life.cookie)
        life.cookie = session.cookie

    @rule(client=CLIENTS, key=KEYS_OF_DATA, same=st.booleans())
    def two_requests_at_once(self, client, key, same):
        life = self.life(client)
        if life is None:
            return
        first, second = self.begin(client, 0), self.begin(client, 1)
        first[key] = 10
        second[key if same else "z"] = 20
        for session in (first, second):
            session.change(lambda data: data.update(n=data.get("n", 0) + 1))
        self.processes[0].commit(first)
        before = life.data.get(key)
        life.data |= {key: 10, "n": life.data.get("n", 0) + 1}
        try:
            self.processes[1].commit(second)
        except Conflict:
            assert same
            assert before not in {10, 20}  # else one of the two has changed nothing
            return
        assert not same or before in {10, 20}
        life.data["n"] += 1
        if not same:
            life.data["z"] = 20
        elif before == 10:
            life.data[key] = 20

    @rule(
        client=CLIENTS,
        process=PROCESSES,
        how=st.sampled_from(["write", "rotate", "issue", "touch"]),
    )
    def a_slow_request_meets_the_end(self, client, process, how):
        life = self.life(client)
        if life is None or (how == "issue" and life.subject is None):
            return
        session, engine = self.begin(client, process), self.processes[process]
        assert self.processes[1 - process].revoke(life.id)
        self.end(life)
        try:
            if how == "write":
                session["late"] = 1
            elif how == "rotate":
                session.rotate()
            elif how == "issue":
                engine.issue_tokens(session)
            engine.commit(session)
        except SessionEnded:
            return
        assert how == "touch"

    # Tokens

    def with_family(self, client, process):
        """The session of a client that lives by tokens."""
        life = self.life(client)
        if life is None or life.subject is None:
            self.sign_in(client, process, "ada")
        if not self.life(client).family:
            self.issue(client, process)
        return self.life(client)

    @rule(client=CLIENTS, process=PROCESSES)
    def issue(self, client, process):
        life = self.life(client)
        if life is None or life.subject is None:
            return
        tokens = self.processes[process].issue_tokens(self.begin(client, process))
        life.ended_families += life.family[-1:]
        life.family, life.rotated = [tokens.refresh_token], []
        life.access.append(tokens.access_token)

    @rule(client=CLIENTS, process=PROCESSES, back=st.integers(0, 9))
    def refresh(self, client, process, back):
        """Promise 3: the model knows when each generation was exchanged."""
        life = self.with_family(client, process)
        at = max(len(life.family) - 1 - back, 0)
        found = self.processes[process].refresh(life.family[at], FIREFOX)
        if at == len(life.family) - 1:
            life.family.append(found.tokens.refresh_token)
            life.rotated.append(self.clock())
            life.access.append(found.tokens.access_token)
        elif self.clock() - life.rotated[at] < 30 * SECOND and len(life.family) - 1 - at <= 8:
            assert found.tokens.refresh_token == life.family[-1]
            life.access.append(found.tokens.access_token)
        else:
            assert found.reason is Reason.REUSED
            assert self.events[-1].severity == "CRITICAL"
            self.end(life)

    @rule(client=CLIENTS, process=PROCESSES)
    def two_exchanges_at_once(self, client, process):
        """Both get the same successor, whoever was first."""
        life = self.with_family(client, process)
        answers = [each.refresh(life.family[-1], FIREFOX).tokens for each in self.processes]
        assert answers[0].refresh_token == answers[1].refresh_token
        life.family.append(answers[0].refresh_token)
        life.rotated.append(self.clock())
        life.access += [each.access_token for each in answers]

    @rule(client=CLIENTS, process=PROCESSES, which=st.integers(0, 9))
    def revoke_token(self, client, process, which):
        life = self.life(client)
        if life is None or not life.access or len(life.revoked) > 12:
            return
        token = life.access.pop(which % len(life.access))
        if self.processes[process].verify_token(token, stateless=True).claims is None:
            return
        assert self.processes[process].revoke_token(token)
        life.revoked.append(token)

    # Ends

    @rule(client=CLIENTS, process=PROCESSES, how=st.sampled_from(ENDS), subject=SUBJECTS)
    def an_end(self, client, process, how, subject):
        """One rule for all of them, so that not every other step ends something."""
        getattr(self, how)(client, process, subject)

    def sign_out(self, client, process, _):
        life = self.life(client)
        session = self.begin(client, process)
        self.processes[process].sign_out(session)
        if life:
            self.end(life)

    def revoke_by_refresh_token(self, client, process, _):
        life = self.life(client)
        if life and life.family:
            assert self.processes[process].revoke_token(life.family[0])
            self.end(life)

    def revoke_all(self, _, process, subject):
        self.revoke_all_but(None, process, subject)

    def revoke_others(self, client, process, subject):
        self.revoke_all_but(self.life(client), process, subject)

    def revoke_all_but(self, kept, process, subject):
        ended = [each for each in self.lives if each.alive and each.subject == subject]
        ended = [each for each in ended if each is not kept]
        keep = kept.id if kept else None
        assert self.processes[process].revoke_all(subject, keep=keep) == len(ended)
        for each in ended:
            self.end(each)

    def revoke_everyone(self, _, process, __):
        self.processes[process].revoke_everyone()
        for each in self.lives:
            self.end(each)

    def a_week_passes(self, _, process, __):
        self.clock.advance(8 * DAY)
        self.processes[process].sweep()
        for each in self.lives:
            self.end(each)

    @rule(pause=PAUSES)
    def wait(self, pause):
        self.clock.advance(pause)

    @rule(process=PROCESSES)
    def sweep(self, process):
        """It may come at any time, and takes nothing that lives."""
        self.processes[process].sweep()

    # Promises

    @invariant()
    def the_living_are_served(self):
        for life in self.lives:
            if not life.alive:
                continue
            for engine in self.processes:
                session = engine.begin(life.cookie)
                assert (session.subject, dict(session)) == (life.subject, life.data)
                if life.family:
                    assert engine.verify_token(life.family[-1], "refresh").claims

    @invariant()
    def the_ended_are_refused(self):
        for life in self.lives[-6:]:
            for engine in self.processes:
                for cookie in [*life.dead_cookies, *([] if life.alive else [life.cookie])]:
                    assert engine.begin(cookie).reason is not None
                for token in life.revoked:
                    assert engine.verify_token(token).claims is None
                if life.alive:
                    continue
                assert engine.find(life.id) is None
                for token in life.access[-2:]:
                    assert engine.begin_bearer(token).subject is None
                for token in [*life.family[-2:], *life.ended_families[-1:]]:
                    assert engine.refresh(token, FIREFOX).tokens is None

    @invariant()
    def lists_are_complete(self):
        for subject in ("ada", "bob"):
            ids = {each.id for each in self.lives if each.alive and each.subject == subject}
            found = self.processes[0].sessions_of(subject).records
            assert {record.id for record in found} == ids

    def teardown(self):
        """Promise 4: neither the store's bytes nor the log hold a secret, a token or its names."""
        stored = b"".join(row.raw for row in self.store._table.rows.values())
        told = "\n".join(map(sinks.line, self.events))
        for life in self.lives:
            for cookie in [life.cookie, *life.dead_cookies]:
                raw = secret.parse_cookie(cookie).secret
                assert raw not in stored
                assert cookie[-43:].encode() not in stored
                assert cookie[-43:] not in told
                assert life.id not in told
            for token in [*life.access[-3:], *life.family[-3:]]:
                signature = token.rpartition(".")[2]
                assert signature not in told
                assert signature.encode() not in stored
            for token in life.access[-3:]:
                claims = claims_of(self.processes[0], token)
                assert claims is None or claims["jti"][26:] not in told


TestPromises = settings(max_examples=120, stateful_step_count=30)(Promises).TestCase
