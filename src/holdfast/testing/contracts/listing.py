"""Pages are complete, ordered, and proportional to what they show (P22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.testing.contracts.samples import listed, pages

if TYPE_CHECKING:
    from holdfast.protocols import Store
    from holdfast.testing.contracts.samples import Samples


class ListingContract:
    """What a store owes to who lists sessions."""

    def test_pages_are_complete_and_ordered(self, store: Store, samples: Samples) -> None:
        """One after another they hold every record of the subject once, by id."""
        mine = samples.several(7)
        samples.several(3, "bob")
        found = pages(store, "alice", limit=3)
        assert [len(page) for page in found] == [3, 3, 1]
        assert [r for page in found for r in page] == sorted(mine, key=lambda r: r.id)

    def test_a_full_last_page_is_the_last(self, store: Store, samples: Samples) -> None:
        """`after` is None when nothing follows, also if the page is full."""
        samples.several(4)
        assert [len(page) for page in pages(store, "alice", limit=2)] == [2, 2]
        assert store.page("alice", limit=4).after is None

    def test_pages_of_everybody(self, store: Store, samples: Samples) -> None:
        """Without a subject every record comes once, those of nobody included."""
        everybody = [*samples.several(3, "alice"), *samples.several(2, "bob")]
        everybody += samples.several(2, None)
        found = pages(store, limit=2)
        assert max(len(page) for page in found) <= 2
        ids = [record.id for page in found for record in page]
        assert ids == sorted(record.id for record in everybody)

    def test_nobody_has_an_empty_page(self, store: Store, samples: Samples) -> None:
        """A subject without sessions has one page with nothing on it; so has an empty store."""
        assert store.page() == ((), None)
        samples.stored(None)
        assert store.page("alice") == ((), None)

    def test_pages_go_on_while_records_go(self, store: Store, samples: Samples) -> None:
        """A record that stays is shown, whatever is deleted between the pages."""
        ids = sorted(record.id for record in samples.several(9))
        after = store.page("alice", limit=3).after
        assert after == ids[2]
        for gone in (ids[0], ids[2], ids[3], ids[8]):
            assert store.delete(gone)
        rest: list[str] = []
        while after is not None:
            page = store.page("alice", after=after, limit=3)
            rest += [record.id for record in page.records]
            after = page.after
        assert rest == ids[4:8]

    def test_pages_show_what_touch_changed(self, store: Store, samples: Samples) -> None:
        """The device list tells when a device was last seen."""
        record = samples.stored()
        seen_at = record.seen_at + 1
        store.touch(record.id, seen_at=seen_at, expires_at=record.expires_at, address="192.0.2.7")
        (found,) = store.page("alice").records
        assert (found.seen_at, found.address) == (seen_at, "192.0.2.7")

    def test_a_page_always_gets_on(self, store: Store, samples: Samples) -> None:
        """A limit of 0 counts as 1: a page of nothing would never come to an end."""
        samples.several(2)
        assert [len(page) for page in pages(store, "alice", limit=0)] == [1, 1]

    def test_the_index_follows_the_subject(self, store: Store, samples: Samples) -> None:
        """An update that changes the subject moves the record, should an application do so."""
        old = samples.stored("alice")
        new = samples.record("bob", id=old.id)
        assert store.update(new, expected=old.version)
        assert listed(store, "alice") == []
        assert listed(store, "bob") == [old.id]
        assert store.delete_all("alice") == ()
        assert store.delete_all("bob") == (old.id,)
