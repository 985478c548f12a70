"""`holdfast migrate-store`: from SQLite to PostgreSQL, while both are in use."""

import json

import pytest

import postgresql
from holdfast.assembly import assemble
from holdfast.settings import Settings
from holdfast.stores import open_store
from holdfast.testing import FakeClock
from holdfast.testing.contracts.samples import Samples, listed
from postgresql import Schemas
from service.clients import SECRET
from service.running import command


@pytest.fixture
def schemas():
    schemas = Schemas(postgresql.server())
    yield schemas
    schemas.release()


def test_from_sqlite_to_postgresql(tmp_path, schemas, monkeypatch):
    """Living sessions go over and stay signed in; a second run finds nothing left to do."""
    old_url, new_url = f"sqlite:///{tmp_path}/old.db", schemas.url()
    before = assemble(Settings(), secret=SECRET, store=old_url)
    session = before.blocking.begin(None)
    before.blocking.sign_in(session, "ada")
    clock = FakeClock(postgresql.time.time_ns() // 1_000_000)
    Samples(before.blocking_store, clock).several(30)
    Samples(before.blocking_store, clock).stored("gone", expires_at=clock() - 1)
    before.close()
    done = command(tmp_path, "migrate-store", old_url, new_url, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"moved": 31, "ended": 1, "left": 0}
    monkeypatch.setenv("HOLDFAST_STORE", new_url)
    monkeypatch.setenv("HOLDFAST_STORE_FROM", old_url)
    during = assemble(Settings(), secret=SECRET)
    assert during.blocking.begin(session.cookie).subject == "ada"
    assert during.blocking.revoke_all("ada") == 1
    assert during.blocking.begin(session.cookie).subject is None
    during.close()
    old, new = open_store(old_url), open_store(new_url)
    assert len(listed(new)) == 30
    assert len(listed(old)) == 1
    old.close()
    new.close()


def test_mistakes(tmp_path):
    """The same store twice, and a file that is not there: none is made, from which nobody would move."""
    missing = command(tmp_path, "migrate-store", f"sqlite:///{tmp_path}/typo.db", "memory://")
    assert missing.returncode == 1
    assert f"there is no file {tmp_path}/typo.db" in missing.stderr
    assert not (tmp_path / "typo.db").exists()
    served = command(tmp_path, "serve", STORE_FROM=f"sqlite:///{tmp_path}/typo.db")
    assert served.returncode == 1
    assert f"there is no file {tmp_path}/typo.db" in served.stderr
    assert not (tmp_path / "typo.db").exists()
    url = f"sqlite:///{tmp_path}/a.db"
    same = command(tmp_path, "migrate-store", url, url)
    assert same.returncode == 1
    assert "the same store" in same.stderr
