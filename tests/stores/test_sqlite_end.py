"""The end of the writer, and who still wants to write meanwhile."""

import pytest

from holdfast.errors import UsageError
from holdfast.stores.sqlite.ticket import Ticket
from stores.words import WORDS, add, words


class Meanwhile:
    """A queue in which something happens just before it takes what is put there first."""

    def __init__(self, queue, happens):
        self._queue, self._happens = queue, [happens]

    def __getattr__(self, name):
        return getattr(self._queue, name)

    def put(self, item):
        while self._happens:
            self._happens.pop()()
        self._queue.put(item)


@pytest.mark.parametrize("before", [0, 1])
def test_a_write_that_races_the_end_starts_no_thread(open_store, before):
    """It has seen the store open; if the end comes first, it hears so, and nothing is left running."""
    store = open_store()
    store.core.migrate("words", WORDS)
    core = open_store().core
    for _ in range(before):
        core.write(add("early"))
    writer = core._writer
    writer._queue = Meanwhile(writer._queue, writer.close)
    with pytest.raises(UsageError):
        core.write(add("late"))
    assert writer._thread is writer._conn is None
    assert words(store.core) == ["early"] * before


def test_a_write_that_comes_as_the_thread_ends_is_answered(open_store):
    """Who has queued behind the end need not wait out the time limit for nobody."""
    store = open_store()
    store.core.migrate("words", WORDS)
    core = open_store().core
    core.write(add("early"))
    writer, ticket = core._writer, Ticket(add("late"), durable=False)
    queue = writer._queue
    writer._queue = Meanwhile(queue, lambda: (queue.put(None), queue.put(ticket)))
    writer.close()
    with pytest.raises(UsageError):
        ticket.wait(0)
    assert words(store.core) == ["early"]


def test_a_write_between_a_fork_and_the_end_is_finished(open_store):
    """It was there before the end: who held the writer for a fork lets it go on."""
    core = open_store().core
    core.migrate("words", WORDS)
    writer, ticket = core._writer, Ticket(add("held"), durable=False)
    writer.hold()
    writer._queue.put(ticket)
    writer.release()
    writer.close()
    assert ticket.wait(0) == 1


def test_letting_go_after_the_end_starts_no_thread(open_store):
    """A fork of a process whose store is closed, and somebody has just seen it open."""
    core = open_store().core
    core.write(lambda conn: None)
    writer, ticket = core._writer, Ticket(lambda conn: None, durable=False)
    writer.close()
    writer.hold()
    writer._queue.put(ticket)
    writer.release()
    assert writer._thread is None
    with pytest.raises(UsageError):
        ticket.wait(0)
