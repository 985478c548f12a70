"""A session's data in one request: what was read, what it is now, and how it came to that."""

from __future__ import annotations

from holdfast.rules import data as rules

Entries = list["rules.Edit | rules.Change"]


class Journal:
    """The data of one request, `data`, which its owner may change in any way, nested values too.

    `loaded` is what was read, as our encoder writes it. Changes are found by comparing with it.
    """

    __slots__ = ("_checkpoint", "_entries", "data", "loaded")

    def __init__(self, plain: bytes) -> None:
        self.data = rules.decode(plain)
        self.loaded = self._checkpoint = rules.encode(self.data)
        self._entries: Entries = []

    @property
    def current(self) -> bytes:
        """The data as they are now, as JSON."""
        return rules.encode(self.data)

    @property
    def changed(self) -> bool:
        """Whether the data differ from what was read (P2).

        Raises:
            NotSerializable: a changed value is not JSON.
        """
        return bool(self.entries()) and self._checkpoint != self.loaded

    def entries(self) -> Entries:
        """All changes so far, in order.

        Raises:
            NotSerializable: a changed value is not JSON.
        """
        now = rules.encode(self.data)
        if now != self._checkpoint:
            self._entries.append(self._edit(now))
            self._checkpoint = now
        return self._entries

    def change(self, fn: rules.Change) -> None:
        """Change the data by a function, which may run again on fresh data (P3).

        When it raises, or leaves what is not JSON, nothing of its change stays.
        """
        self.entries()
        try:
            fn(self.data)
            now = self.current
            self._edit(now)
        except BaseException:
            self.data = rules.decode(self._checkpoint)
            raise
        self._entries.append(fn)
        self._checkpoint = now

    def _edit(self, now: bytes) -> rules.Edit:
        edit = rules.difference(self._checkpoint, now)
        rules.require_edit(edit, self.data)
        return edit
