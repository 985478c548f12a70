"""Stores with one defect each, all of which have reached users of some session system.

Each names the test of the contract that finds it; `test_contract_fails.py` sees that it does.
"""

import time
from collections import defaultdict

import pytest
from msgspec.structs import replace

from holdfast.protocols import Admitted, Page, Taken
from holdfast.record import changed, decode, encode
from holdfast.rules import quota
from holdfast.stores.memory import MemoryStore
from holdfast.testing import StoreContract


def give_way():
    """Let other threads into the gap of a check-then-act."""
    time.sleep(0.001)


class InsertOverwrites(MemoryStore):
    found_by = "test_insert_never_overwrites"

    def insert(self, record, *, now, cap=None, replacing=None):
        self._table.remove(record.id)
        return super().insert(record, now=now, cap=cap, replacing=replacing)


class UpdateRevives(MemoryStore):
    found_by = "test_nothing_revives_a_deleted_record"

    def update(self, record, *, expected, durable=False):
        if record.id not in self._table.rows:
            return isinstance(self.insert(record, now=0), Admitted)
        return super().update(record, expected=expected)


class UpdateIgnoresVersion(MemoryStore):
    found_by = "test_stale_update_fails"

    def update(self, record, *, expected, durable=False):
        row = self._table.rows.get(record.id)
        return row is not None and super().update(record, expected=row.version)


class UpdateComparesThenWrites(MemoryStore):
    found_by = "test_simultaneous_updates_have_one_winner"

    def update(self, record, *, expected, durable=False):
        row = self._table.rows.get(record.id)
        if row is None or row.version != expected:
            return False
        give_way()
        return super().update(record, expected=self._table.rows[record.id].version)


class UpdateMovesBack(MemoryStore):
    found_by = "test_update_keeps_later_times"

    def update(self, record, *, expected, durable=False):
        done = super().update(record, expected=expected)
        if done:
            row = self._table.rows[record.id]
            self._table.rows[record.id] = row.changed(
                seen_at=record.seen_at, expires_at=record.expires_at
            )
        return done


class UpdateForgetsTheIndex(MemoryStore):
    found_by = "test_the_index_follows_the_subject"

    def __init__(self):
        super().__init__()
        self._lost = set()

    def update(self, record, *, expected, durable=False):
        done = super().update(record, expected=expected)
        self._lost |= {record.id} if done else set()
        return done

    def page(self, subject=None, *, after=None, limit=100):
        page = super().page(subject, after=after, limit=limit)
        shown = tuple(r for r in page.records if subject is None or r.id not in self._lost)
        return page._replace(records=shown)


class VersionsLoseTheirSign(MemoryStore):
    found_by = "test_update_replaces_the_record"

    def insert(self, record, *, now, cap=None, replacing=None):
        answer = super().insert(record, now=now, cap=cap, replacing=replacing)
        row = self._table.rows.get(record.id)
        if row is not None:
            self._table.rows[record.id] = row.changed(version=row.version % 2**63)
        return answer


class TouchMovesBack(MemoryStore):
    found_by = "test_touch_never_moves_back"

    def touch(self, id, *, seen_at, expires_at, address=None):
        done = super().touch(id, seen_at=seen_at, expires_at=expires_at, address=address)
        if done:
            self._table.rows[id] = self._table.rows[id].changed(seen_at=seen_at)
        return done


class TouchChangesTheVersion(MemoryStore):
    found_by = "test_touch_leaves_version_and_data_alone"

    def touch(self, id, *, seen_at, expires_at, address=None):
        done = super().touch(id, seen_at=seen_at, expires_at=expires_at, address=address)
        if done:
            row = self._table.rows[id]
            self._table.rows[id] = row.changed(version=row.version ^ 1)
        return done


class TouchForgetsTheAddress(MemoryStore):
    found_by = "test_touch_without_an_address_keeps_the_last_one"

    def touch(self, id, *, seen_at, expires_at, address=None):
        done = super().touch(id, seen_at=seen_at, expires_at=expires_at, address=address)
        if done:
            self._table.rows[id] = self._table.rows[id].changed(address=address)
        return done


class DeleteIgnoresVersion(MemoryStore):
    found_by = "test_delete_of_a_changed_record_fails"

    def delete(self, id, *, expected=None, durable=True):
        return super().delete(id)


class DeleteLeaksItsIndex(MemoryStore):
    found_by = "test_delete_says_whether_it_happened"

    def __init__(self):
        super().__init__()
        self._leaked = defaultdict(list)

    def delete(self, id, *, expected=None, durable=True):
        row = self._table.rows.get(id)
        done = super().delete(id, expected=expected)
        if done:
            self._leaked[row.subject].append(id)
        return done

    def delete_all(self, subject, *, keep=None):
        return (*super().delete_all(subject, keep=keep), *self._leaked[subject])


class CapCountsThenInserts(MemoryStore):
    found_by = "test_parallel_inserts_never_exceed_the_cap"

    def insert(self, record, *, now, cap=None, replacing=None):
        if cap is None:
            return super().insert(record, now=now, replacing=replacing)
        count = len(self._table.ids_of(record.subject)) if record.subject else 0
        give_way()
        if count < cap.limit:
            return super().insert(record, now=now, replacing=replacing)
        return super().insert(record, now=now, cap=cap, replacing=replacing)


class CapEvictsTheYoungest(MemoryStore):
    found_by = "test_the_oldest_are_evicted"

    def _over(self, subject, cap, now, gone):
        evicted = super()._over(subject, cap, now, gone)
        rows = self._table.rows
        youngest = sorted(self._table.ids_of(subject), key=lambda each: rows[each].created_at)
        return evicted and tuple(youngest[-len(evicted) :])


class CapCountsTheReplaced(MemoryStore):
    found_by = "test_a_replaced_record_does_not_count"

    def _over(self, subject, cap, now, gone):
        return super()._over(subject, cap, now, None)


class CapCountsTheExpired(MemoryStore):
    found_by = "test_expired_records_do_not_count"

    def _over(self, subject, cap, now, gone):
        return super()._over(subject, cap, 0, gone)


class ReplacingIgnoresVersion(MemoryStore):
    found_by = "test_replacing_a_changed_record_changes_nothing"

    def insert(self, record, *, now, cap=None, replacing=None):
        row = self._table.rows.get(replacing.id) if replacing else None
        if row is not None:
            replacing = replacing._replace(version=row.version)
        return super().insert(record, now=now, cap=cap, replacing=replacing)


class DeleteAllForgetsKeep(MemoryStore):
    found_by = "test_delete_all_spares_keep_and_others"

    def delete_all(self, subject, *, keep=None):
        return super().delete_all(subject)


class DeleteAllMissesOne(MemoryStore):
    found_by = "test_delete_all_reaches_every_way_in"

    def delete_all(self, subject, *, keep=None):
        return super().delete_all(
            subject, keep=keep or max(self._table.ids_of(subject), default="")
        )


class PurgeTakesTheLiving(MemoryStore):
    found_by = "test_purge_removes_only_what_has_ended"

    def purge(self, *, now, limit=1000):
        return super().purge(now=now + 60_000, limit=limit)


class PurgeIsAMillisecondLate(MemoryStore):
    found_by = "test_purge_removes_only_what_has_ended"

    def purge(self, *, now, limit=1000):
        return super().purge(now=now - 1, limit=limit)


class PurgeForgetsItsLimit(MemoryStore):
    found_by = "test_purge_removes_at_most_its_limit"

    def purge(self, *, now, limit=1000):
        return super().purge(now=now)


class EpochSparesTheAnonymous(MemoryStore):
    found_by = "test_an_epoch_ends_every_session"

    def bump_epoch(self):
        spared = [(id, row) for id, row in self._table.rows.items() if row.subject is None]
        epoch = super().bump_epoch()
        for id, row in spared:
            self._table.put(id, row)
        return epoch


class EpochStandsStill(MemoryStore):
    found_by = "test_epochs_count_up"

    def bump_epoch(self):
        super().bump_epoch()
        return 1


class TakeReadsThenWrites(MemoryStore):
    found_by = "test_parallel_takes_never_exceed"

    def take(self, key, *, limit, period, now):
        name = quota.name(key, period)
        _, old = self._quotas.get(name, (0, None))
        state, taken = quota.take(old, limit=limit, period=period, now=now)
        give_way()
        if state is not None:
            self._quotas[name] = (quota.ends_at(state, period), state)
        return taken


class TakeNeedsNoProof(MemoryStore):
    found_by = "test_a_wrong_proof_spends_nothing"

    def get(self, id, *, now, take=None):
        return super().get(id, now=now, take=take and take._replace(proof=None))


class TakeNeedsNoRecord(MemoryStore):
    found_by = "test_a_missing_record_spends_nothing"

    def get(self, id, *, now, take=None):
        reading = super().get(id, now=now, take=take)
        if take is not None and reading.record is None:
            self.take(take.key, limit=take.limit, period=take.period, now=now)
        return reading


class TakeForgetsTheKey(MemoryStore):
    found_by = "test_keys_are_strangers"

    def take(self, key, *, limit, period, now):
        return super().take(key.strip().lower(), limit=limit, period=period, now=now)


class TakeNamesNoTime(MemoryStore):
    found_by = "test_retry_after_is_kept"

    def take(self, key, *, limit, period, now):
        taken = super().take(key, limit=limit, period=period, now=now)
        return Taken(taken.allowed, taken.remaining, min(taken.retry_after, 1))


class PageRepeatsTheLast(MemoryStore):
    found_by = "test_pages_are_complete_and_ordered"

    def page(self, subject=None, *, after=None, limit=100):
        page = super().page(subject, after=after, limit=limit)
        last = self._table.rows.get(after)
        if last is None or not page.records:
            return page
        again = decode(last.raw, last.seen_at, last.expires_at, last.address)
        return Page((again, *page.records), page.after)


class PageLosesItsPlace(MemoryStore):
    found_by = "test_pages_go_on_while_records_go"

    def page(self, subject=None, *, after=None, limit=100):
        if after is not None and after not in self._table.rows:
            return Page((), None)
        return super().page(subject, after=after, limit=limit)


class PageForgetsTheAnonymous(MemoryStore):
    found_by = "test_pages_of_everybody"

    def page(self, subject=None, *, after=None, limit=100):
        page = super().page(subject, after=after, limit=limit)
        return page._replace(records=tuple(r for r in page.records if r.subject is not None))


class DamagedMeansUnknown(MemoryStore):
    found_by = "test_a_damaged_record_is_a_value"

    def get(self, id, *, now, take=None):
        return replace(super().get(id, now=now, take=take), corrupt=False)


class DamagedRaises(MemoryStore):
    found_by = "test_a_damaged_record_is_a_value"

    def get(self, id, *, now, take=None):
        reading = super().get(id, now=now, take=take)
        if reading.corrupt:
            raise ValueError
        return reading


class ExtensionsAreStripped(MemoryStore):
    found_by = "test_unknown_extensions_are_kept"

    def update(self, record, *, expected, durable=False):
        encode(record)
        return super().update(changed(record, extensions=()), expected=expected)


class SubjectsAreFolded(MemoryStore):
    found_by = "test_any_text_is_a_subject"

    def page(self, subject=None, *, after=None, limit=100):
        return super().page(subject and subject.rstrip("\0 x"), after=after, limit=limit)


class SaltChangesWithTheEpoch(MemoryStore):
    found_by = "test_the_salt_is_made_once"

    def salt(self):
        return bytes([self._epoch]) * 32


class GetRemembers(MemoryStore):
    """A cache that nobody tells."""

    found_by = "test_handles_share_salt_and_epoch"

    def __init__(self):
        super().__init__()
        self._cache = {}

    def get(self, id, *, now, take=None):
        if id not in self._cache:
            self._cache[id] = super().get(id, now=now, take=take)
        return self._cache[id]


BROKEN = [
    each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, MemoryStore) and each is not MemoryStore
]


def contract_of(broken):
    """The contract's tests for one broken store."""

    class Tests(StoreContract):
        @pytest.fixture
        def open_store(self):
            storages = {}
            return lambda name="default": storages.setdefault(name, broken())

    return Tests


for each in BROKEN:
    globals()[f"Test{each.__name__}"] = contract_of(each)
