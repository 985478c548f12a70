"""The parts of an application under test: a store that can be made to fail, a clock that stands still."""

from holdfast.assembly import assemble
from holdfast.errors import StoreUnavailable
from holdfast.stores import Opened
from holdfast.testing import AsyncMemoryStore, FakeClock, HookedStore, MemoryStore


class Parts:
    """What a test turns its screws on: the store under either face, time, what was audited."""

    def __init__(self, settings, keys, adopt=None):
        self.clock = FakeClock()
        self.events = []
        self.memory = memory = MemoryStore()
        self.store = HookedStore(AsyncMemoryStore(memory))
        blocking = HookedStore(memory)
        vars(blocking).update({**vars(self.store), "_store": memory})  # the same hooks and calls
        self.assembly = assemble(
            settings,
            keys=keys,
            store=Opened(blocking.blocking(), self.store.asynchronous()),
            audit=[self.events.append],
            clock=self.clock,
            adopt=adopt,
        )

    @property
    def sessions(self):
        """For what another request does meanwhile, whichever face the site is on."""
        return self.assembly.blocking

    def fail(self, verb, error=StoreUnavailable, times=1):
        """The store answers the next calls of this verb with an error."""

        def hook():
            raise error("as the test wishes")

        self.store.before(verb, hook, times=times)

    def records(self):
        """The sessions; a claim on an old session is none."""
        return [each for each in self.memory.page().records if each.policy.name != "adoption"]

    def reasons(self):
        return [event.reason for event in self.events if event.reason]
