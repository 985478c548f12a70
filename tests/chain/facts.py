"""Request facts as an adapter makes them, and one visit after the other through the chain."""

from holdfast.assembly import assemble
from holdfast.blocking import run
from holdfast.chain import Chain, Request
from holdfast.rules.keys import KeyRing
from holdfast.stores import Opened
from holdfast.testing import AsyncMemoryStore, FakeClock, HookedStore, MemoryStore

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
KEYS = KeyRing.from_secrets([SECRET], environment="production")
COOKIE = "__Host-session"
PRE = "__Host-presession"
OWN = "https://app.example.org"


class Steps:
    """A chain, what its store was asked, what was audited, and a browser's headers.

    The chain is driven to its end with one `send(None)`, as under Flask: nothing in it suspends.
    """

    def __init__(self, settings, keys=KEYS, adopt=None):
        self.clock = FakeClock()
        self.events = []
        memory = MemoryStore()
        self.store = HookedStore(memory)
        self.assembly = assemble(
            settings,
            keys=keys,
            store=Opened(self.store.blocking(), AsyncMemoryStore(memory)),
            audit=[self.events.append],
            clock=self.clock,
            adopt=adopt,
        )
        self.sessions = self.assembly.blocking
        self.chain = self.assembly.blocking_chain

    def with_keys(self, keys):
        """The chain of the same application after it was started with other keys."""
        engine = type(self.sessions)(
            self.store.blocking(),
            self.assembly.settings,
            keys,
            clock=self.clock,
            entropy=bytes,
            sinks=[self.events.append],
        )
        return Chain(engine.engine, clock=self.clock, entropy=bytes)

    def begin(self, method="GET", chain=None, **facts):
        return run((chain or self.chain).begin(request(method, **facts)))

    def commit(self, visit, status=200):
        return run(self.chain.commit(visit, status))

    def cookie_of(self, subject="ada", **options):
        """The cookie of somebody who has just signed in."""
        session = self.sessions.begin(None)
        self.sessions.sign_in(session, subject, **options)
        return session.cookie

    def token_for(self, **facts):
        """A CSRF token as a page gives it, and the cookies that came with it."""
        visit = self.begin(**facts)
        token = self.chain.csrf.token(visit)
        return token, cookies_set(self.commit(visit))

    def reasons(self):
        return [str(event.reason) for event in self.events if event.reason]


def request(
    method="GET",
    *,
    path="/cart",
    scheme="https",
    host="app.example.org",
    peer="203.0.113.7",
    form=None,
    websocket=False,
    **headers,
):
    """Facts of a request; headers by keyword with underscores, `form` are the fields of its body."""

    async def form_field(name):
        if callable(form):
            return form(name)
        return (form or {}).get(name)

    named = {name.replace("_", "-"): text for name, text in headers.items() if text is not None}
    return Request(
        method=method,
        scheme=scheme,
        host=host,
        path=path,
        peer=peer,
        headers=named,
        form_field=form_field,
        websocket=websocket,
    )


def as_cookie(value, name=COOKIE):
    return f"{name}={value}"


def cookies_set(reply):
    """Name and value of each cookie that a reply sets."""
    pairs = (text.partition(";")[0] for name, text in reply.headers if name == "Set-Cookie")
    return dict(pair.split("=", 1) for pair in pairs)


def header(reply, name):
    return [value for key, value in reply.headers if key == name]
