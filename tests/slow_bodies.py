"""Requests that come slowly: a body in threads, and the time that passes meanwhile."""

import io


class Slow(io.RawIOBase):
    """A body before whose end something happens."""

    def __init__(self, body, happens):
        self._body = io.BytesIO(body)
        self._happens = happens

    def read(self, size=-1, /):
        self._happens()
        return self._body.read(size)


def time_in(monkeypatch, *modules):
    """Time, as these modules see it: seconds, in a list of one that a test may change."""
    now = [100.0]
    for each in modules:
        monkeypatch.setattr(each, "moment", lambda: now[0])
    return now
