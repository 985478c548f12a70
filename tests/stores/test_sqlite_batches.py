"""What coroutines write, handed to the writer once for each turn of their event loop."""

import asyncio
import threading

import pytest

from holdfast.errors import StoreUnavailable, UsageError
from stores.words import WORDS, add, words


def test_what_coroutines_write_in_one_turn_wakes_the_writer_once(table, monkeypatch):
    """The first of a hundred does not wake it before the others are there, and all share a commit."""

    async def main():
        queued, submit = [], table._batches._submit
        monkeypatch.setattr(
            table._batches, "_submit", lambda ticket: (queued.append(ticket), submit(ticket))
        )
        tasks = [asyncio.create_task(table.awrite(add(f"{n:03}"))) for n in range(100)]
        await asyncio.sleep(0)
        at_once = len(queued)
        await asyncio.sleep(0)
        together = len(queued)
        await asyncio.gather(*tasks)
        return at_once, together

    assert asyncio.run(main()) == (0, 100)


def test_loops_that_have_ended_are_forgotten(table):
    """A program that runs one loop after another does not gather them."""
    for word in "abc":
        asyncio.run(table.awrite(add(word)))
    assert len(table._batches._of) == 1


def test_two_threads_may_hand_the_same_batch_over(table):
    """One of them finds nothing where there was something a moment ago."""

    class Taken(list):
        def popleft(self):
            self.clear()
            raise IndexError

    table._batches._hand_over(Taken("x"))


def test_each_has_an_error_of_its_own_also_where_the_file_is_gone(table, path):
    """Two tasks that raise the same one would write in each other's."""

    async def main():
        path.rename(path.with_suffix(".away"))
        both = (table.awrite(add("a")), table.awrite(add("b")))
        return await asyncio.gather(*both, return_exceptions=True)

    first, second = asyncio.run(main())
    assert type(first) is type(second) is StoreUnavailable
    assert first is not second


class Unstartable(threading.Thread):
    """A thread of a process that may have no more of them."""

    def start(self):
        raise RuntimeError("can't start new thread")


def test_a_thread_that_does_not_start_is_no_end(open_store, monkeypatch):
    """Who needed it hears that the store is away, nothing of that is done, and the next write starts it."""
    store = open_store()
    store.core.migrate("words", WORDS)
    core = open_store().core

    async def main(*each):
        return await asyncio.gather(
            *(core.awrite(add(word)) for word in each), return_exceptions=True
        )

    async def both():
        with monkeypatch.context() as patch:
            patch.setattr("holdfast.stores.sqlite.writer.Thread", Unstartable)
            with pytest.raises(StoreUnavailable):
                core.write(add("blocking"))
            refused = await main("a", "b")
        return refused, await main("c", "d")

    refused, done = asyncio.run(both())
    assert [type(each) for each in refused] == [StoreUnavailable] * 2
    assert done == [1, 1]
    assert words(core) == ["c", "d"]


def test_a_turn_that_is_cut_short_loses_nothing(table):
    """Another thread that closes queues what there is; what comes later in this turn is queued as well."""

    async def main():
        early = asyncio.create_task(table.awrite(add("early")))
        late = asyncio.create_task(_flushed_before(table, "late"))
        return await asyncio.gather(early, late)

    assert asyncio.run(main()) == [1, 1]
    assert words(table) == ["early", "late"]


async def _flushed_before(table, word):
    table._batches.flush()
    return await table.awrite(add(word))


def test_a_write_of_a_closed_store_is_refused(open_store):
    """Also in the middle of a turn, when the store is closed before the writer was told."""
    store = open_store()

    async def main():
        store.close()
        with pytest.raises(UsageError):
            await store.core.awrite(add("late"))

    asyncio.run(main())
