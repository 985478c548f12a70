"""Another library's sessions, in a dict; something may happen before or after each look at them."""

from holdfast.adoption import Faces
from holdfast.protocols import OldSession


class OldLibrary:
    name, cookie, path, domain = "old", "sid", "/", None

    def __init__(self, **sessions):
        self.sessions = {key: OldSession(*each) for key, each in sessions.items()}
        self.calls = []
        self.hooks = {}

    def open(self, *, timeout):
        return Faces(self, self, lambda: None)

    def before(self, call, hook):
        """Run `hook` once, right before the next call of this name."""
        self.hooks[call] = hook

    def key_of(self, value):
        return value if value.isalnum() else None

    async def read(self, key):
        self._called("read")
        return self.sessions.get(key)

    async def remove(self, key):
        self._called("remove")
        self.sessions.pop(key, None)

    def _called(self, name):
        self.calls.append(name)
        hook = self.hooks.pop(name, None)
        if hook is not None:
            hook()
