"""A store behind a network that a test plays by hand: its bytes move only when the test says so.

Two processes share one server. `near` is the near cache of the first; `elsewhere` is the other
process. Nothing runs by itself: `listen` does one turn of the feed's thread.
"""

from collections import deque

from msgspec.structs import replace

from holdfast.errors import StoreUnavailable
from holdfast.faces import async_shaped, run
from holdfast.protocols import Admitted
from holdfast.record import changed
from holdfast.stores.feed import Feed, Watch
from holdfast.stores.memory import MemoryStore
from holdfast.stores.near_cache import Bounds, NearCache, Table
from holdfast.stores.remote import Answered, Changed, Durability, Flushed
from holdfast.testing import FakeClock, HookedStore
from holdfast.testing.contracts.samples import Samples


class Seconds:
    """A clock that stands still until a test moves it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class FakeLine:
    """`sent` are probes on their way to the node, `wire` is on its way from there."""

    def __init__(self, node):
        self.node = node
        self.sent = deque()
        self.wire = deque()
        self.lost = False
        self.closed = False

    def probe(self, serial):
        self._require_open()
        self.sent.append(serial)

    def receive(self, timeout):
        assert timeout > 0
        self._require_open()
        return [self.wire.popleft() for _ in range(len(self.wire))]  # another thread may tell

    def answer(self):
        """The node gets the probes that are on their way, and answers."""
        while self.sent:
            self.wire.append(Answered(self.sent.popleft()))

    def close(self):
        self.closed = True

    def _require_open(self):
        if self.lost:
            raise StoreUnavailable("the test cut this line")


class FakeRemote:
    """One node, or several that each serve a part of the ids."""

    def __init__(self, *names, fenced=False):
        self.nodes = {name: f"{name}-process-1" for name in names or ("a",)}
        self.fenced = fenced
        self.away = False
        self.opened = []
        self.moved = self.lost = lambda: None

    def lines(self):
        return tuple(self.nodes)

    def line_of(self, id):
        names = self.lines()
        return names[sum(id.encode()) % len(names)]

    def home_of(self, id):
        """The node that serves this id; the map of lines may lag behind."""
        return self.line_of(id)

    def dial(self, line):
        if self.away:
            raise StoreUnavailable("the test keeps this node away")
        self.opened.append(FakeLine(self.nodes[line]))
        return self.opened[-1]

    def on_change(self, moved):
        before = self.moved
        self.moved = lambda: (before(), moved())

    def on_loss(self, lost):
        self.lost = lost

    def durability(self):
        return Durability("fsynced")


class Server:
    """The store as any process sees it: each verb tells the lines what it changed."""

    def __init__(self, remote):
        self.remote = remote
        self.records = MemoryStore()
        self.lines = {}
        self.calls = []
        self.away = False

    def __getattr__(self, verb):
        found = getattr(self.records, verb)
        if verb in {"after_fork", "close"}:
            return found

        def call(*args, **kwargs):
            self.calls.append(verb)
            if self.away:
                raise StoreUnavailable("the test keeps the store away")
            answer = found(*args, **kwargs)
            self._tell(verb, answer, args, kwargs)
            if verb == "get":
                return replace(answer, node=self.remote.nodes[self.remote.home_of(args[0])])
            return answer

        return call

    def _tell(self, verb, answer, args, kwargs):
        match verb:
            case "insert" if isinstance(answer, Admitted):
                replacing = kwargs.get("replacing")
                self.tell(*answer.evicted, *([replacing.id] if replacing else ()))
            case "update":
                self.tell(args[0].id)
            case "delete":
                self.tell(args[0])
            case "delete_all":
                self.tell(*answer)
            case "bump_epoch":
                for line in self.lines.values():
                    line.wire.append(Flushed())

    def tell(self, *ids):
        for id in ids:
            line = self.lines.get(self.remote.home_of(id))
            if line is not None:
                line.wire.append(Changed(id))


class World:
    """One process with a near cache, and another that goes to the server directly."""

    def __init__(self, *names, stale=0.0, entries=100, size=10**7):
        self.clock = Seconds()
        self.unix = FakeClock()
        self.remote = FakeRemote(*names)
        self.server = self.elsewhere = Server(self.remote)
        self.hooked = HookedStore(self.server)
        self.table = Table(Bounds(entries, size, 1.0, stale), self.clock)
        self.feed = Feed(self.remote, self.table, bound=1.0, clock=self.clock)
        self.feed._started = self._started
        store = async_shaped(self.hooked.blocking())
        self.near = NearCache(store, self.table, self.feed, stale=stale > 0)
        self.fresh = NearCache(store, self.table, self.feed, fresh=True)
        self.samples = Samples(self.server.records, self.unix)
        self.watches = {name: self._started(name) for name in self.remote.lines()}
        for name in self.remote.lines():
            self.open(name)

    def _started(self, name):
        return self.feed._watches.setdefault(name, Watch(self.feed, name))

    def open(self, name="a"):
        """The thread of this line opens it."""
        line = self.server.lines[name] = self.remote.dial(name)
        self.watches[name].begin(line)
        return line

    def cut(self, name="a"):
        """The thread of this line finds that it is lost."""
        self.server.lines.pop(name)
        self.watches[name].end()

    def line(self, name="a"):
        return self.server.lines[name]

    def turn(self, name="a"):
        """One turn of the thread: a probe if one is due, then what has come."""
        self.watches[name].turn(self.server.lines[name])

    def listen(self, name="a"):
        """A probe goes out, is answered at once, and the thread hears it."""
        self.turn(name)
        self.line(name).answer()
        self.turn(name)

    def stored(self, subject="ada", **fields):
        return self.samples.stored(subject=subject, **fields)

    def get(self, id, store=None, **options):
        """A request of this process asks for a session."""
        return run((store or self.near).get(id, now=self.unix(), **options))

    def asked(self):
        """How often the server was asked for a record since the last time."""
        count = self.server.calls.count("get")
        self.server.calls.clear()
        return count


def rewritten(record, **fields):
    """The record with another version."""
    return changed(record, version=record.version + 1, **fields)
