"""The site in one event loop, over a store that can be made to fail and a clock that stands still."""

import asyncio
import inspect
from datetime import timedelta

from held.site import SECRET, settings, site
from holdfast.assembly import assemble
from holdfast.errors import StoreUnavailable
from holdfast.session import Session
from holdfast.stores import Opened
from holdfast.testing import AsyncMemoryStore, FakeClock, HookedStore, MemoryStore

BOUND = timedelta(milliseconds=100)
HOST = "localhost"
PATIENCE = 20


class Site:
    """`heard` stands for the changes that the store tells, None for a store that tells none."""

    def __init__(self, *, heard=True, app=None, store=AsyncMemoryStore, **changes):
        memory = MemoryStore()
        self.clock = FakeClock()
        self.store = HookedStore(store(memory))
        told = memory.changes if heard is True else heard
        self.assembly = assemble(
            settings(**{"cache_bound": BOUND} | changes),
            secret=SECRET,
            store=Opened(memory, self.store.asynchronous(), changes=told),
            audit=[],
            clock=self.clock,
        )
        self.sessions = self.assembly.blocking
        self._turns = 0
        self.assembly.chain.clock = self._turn
        self.app = site(self.assembly) if app is None else app(self.assembly)
        self.ended = [] if app else self.app.state.ended

    def sign_in(self, user="ann"):
        session = Session()
        self.sessions.sign_in(session, user)
        return session

    def open(self, path, session, **more):
        return Open(self.app, path, {"cookie": f"session={session.cookie}"}, **more)

    def away(self, error=StoreUnavailable):
        """The store answers no read from now on."""

        def fail():
            raise error("as the test wishes")

        self.store.before("get", fail, times=10_000)

    @property
    def reads(self):
        return self.store.calls.count("get")

    async def turns(self):
        """Wait until the keeper has looked around some times more, and read what it wants to."""
        seen = self._turns
        await until(lambda: self._turns > seen + 8)

    def _turn(self):
        self._turns += 1
        return self.clock()


class Open:
    """A connection as a server gives it to the application; sockets have paths of their own."""

    SOCKETS = ("/echo", "/mute")

    def __init__(self, app, path, headers, *, refuses=None, spec="2.3"):
        self.incoming = asyncio.Queue()
        self.sent = []
        self._refuses = refuses
        kind = "websocket" if path in self.SOCKETS else "http"
        first = {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request"}
        self.incoming.put_nowait(first)
        lines = {"host": HOST, "origin": f"http://{HOST}"} | headers
        scope = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": spec},
            "http_version": "1.1",
            "root_path": "",
            "raw_path": path.encode(),
            "server": (HOST, 80),
            "scheme": "ws" if kind == "websocket" else "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in lines.items()],
            "client": ("127.0.0.1", 4711),
            "subprotocols": [],
            "extensions": {},
        }
        if kind == "websocket":
            del scope["method"]
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def begun(self):
        """It stays open: the first message with content has come."""
        await until(lambda: len(self.sent) > 1 or self.task.done())
        assert not self.task.done(), self.sent
        return self

    async def over(self):
        """How it was ended: the code, or whether the answer was completed."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self.task})
        self.task.result()
        last = self.sent[-1]
        if last["type"] == "websocket.close":
            return last["code"]
        return last["type"] == "http.response.body" and not last.get("more_body")

    def say(self, text):
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def echoes(self):
        """It is open still."""
        heard = len(self.sent)
        self.say("hello")
        await until(lambda: len(self.sent) > heard)
        return self.sent[-1] == {"type": "websocket.send", "text": "hello"}

    async def _receive(self):
        return await self.incoming.get()

    async def _send(self, message):
        if self._refuses and message["type"] == self._refuses[0]:
            await self._refuses[1]()
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.incoming.put_nowait({"type": "websocket.disconnect", "code": message["code"]})


async def until(holds):
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - of a loop under test
            await asyncio.sleep(0.002)


def in_a_loop(test):
    """A test that is a coroutine function; at its end nothing runs on by itself."""

    def run(*arguments, **named):
        async def whole():
            await test(*arguments, **named)
            this = asyncio.current_task()
            await until(lambda: asyncio.all_tasks() == {this})

        asyncio.run(whole())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    run.__signature__ = inspect.signature(test)
    return run
