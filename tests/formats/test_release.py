"""An upgrade signs nobody out: what release 0.1 has stored and handed out counts today.

`vectors/release_0_1.json` is a whole database, its key file, and one credential of each kind, as
that release made them. The file is never made anew: a change that needs that is a new format.
"""

import json
import sqlite3
from pathlib import Path

import pytest

from faces import FIREFOX
from holdfast import KeyRing, Rate, Reason, Sessions, Settings
from holdfast.rules import csrf, secret
from holdfast.stores import open_both
from holdfast.stores.sqlite.schema import APPLICATION_ID
from holdfast.testing import FakeClock

RELEASE = json.loads(
    (Path(__file__).parent.parent / "vectors" / "release_0_1.json").read_text(encoding="utf-8")
)
KEYS = KeyRing.load(RELEASE["key_file"])


def entropy(size):
    return bytes(size)


@pytest.fixture
def store(tmp_path):
    """The store of the release, as a file of today."""
    path = tmp_path / "sessions.db"
    database = sqlite3.connect(path)
    database.executescript("\n".join(RELEASE["sql"]))
    database.execute(f"PRAGMA application_id = {0x48464453}")
    database.close()
    opened = open_both(f"sqlite:///{path}")
    yield opened.blocking
    opened.blocking.close()


def sessions(store, **settings):
    clock = FakeClock(RELEASE["at"])
    return Sessions(store, Settings(**settings), KEYS, clock=clock, entropy=entropy)


def test_cookies_find_their_sessions(store):
    """The anonymous one and the one that is signed in, with all that they held."""
    engine = sessions(store)
    assert dict(engine.begin(RELEASE["anonymous"])) == {"theme": "dark"}
    found = engine.begin(RELEASE["signed_in"])
    assert (found.subject, dict(found)) == ("ada", {"cart": [1, {"n": 2.5}]})
    assert found.claims == {"role": "admin", "email": "ada@example.org"}
    assert (found.assurance.acr, found.assurance.amr) == ("urn:example:2", ("pwd", "otp"))
    assert (found.record.client.label, found.record.address) == ("my laptop", "192.0.2.7")


def test_sealed_data_open(store):
    """With the cookie that they were sealed with."""
    assert dict(sessions(store, seal_data=True).begin(RELEASE["sealed"])) == {"note": "sealed"}


def test_tokens_count(store):
    """The access token counts, the revoked one does not, and the refresh token gets a successor."""
    engine = sessions(store)
    assert engine.verify_token(RELEASE["access_token"]).claims["role"] == "admin"
    assert engine.verify_token(RELEASE["revoked_token"]).reason is Reason.REVOKED
    assert engine.refresh(RELEASE["superseded_token"], FIREFOX).reason is Reason.SUPERSEDED
    tokens = engine.refresh(RELEASE["refresh_token"], FIREFOX).tokens
    assert engine.verify_token(tokens.refresh_token, "refresh").claims["jti"].endswith(".1")


def test_a_form_that_was_rendered_before_can_be_sent_after(store):
    """The CSRF token of the session, and the cookie of a visitor without one."""
    record = sessions(store).begin(RELEASE["signed_in"]).record
    binding = csrf.session_binding(record.id, record.secret_hash)
    assert csrf.verify(KEYS.derive("csrf"), binding, RELEASE["csrf_token"])
    now_s = RELEASE["at"] // 1000
    assert csrf.open_presession(KEYS.derive("presession"), RELEASE["presession"], now_s)


def test_quotas_go_on(store):
    """One of three was spent."""
    engine = sessions(store)
    taken = engine.begin(RELEASE["signed_in"], rate=Rate(limit=3)).taken
    assert (taken.allowed, taken.remaining) == (True, 1)


def test_subjects_keep_their_tag(store):
    """A new session goes where the old ones are: the salt lives in the store and does not change."""
    engine = sessions(store)
    session = engine.begin(None)
    engine.sign_in(session, "ada")
    old = secret.parse_cookie(RELEASE["signed_in"]).id
    assert secret.tag_of(session.id) == secret.tag_of(old)
    assert {record.id for record in engine.sessions_of("ada").records} == {old, session.id}


def test_the_schema_is_frozen(tmp_path):
    """A new file has the tables of that release; another schema is another script behind the first."""
    path = tmp_path / "new.db"
    opened = open_both(f"sqlite:///{path}")
    opened.blocking.salt()
    opened.blocking.close()
    database = sqlite3.connect(path)
    made = [line for line in database.iterdump() if line.startswith("CREATE")]
    mark = database.execute("PRAGMA application_id").fetchone()[0]
    database.close()
    assert made == [line for line in RELEASE["sql"] if line.startswith("CREATE")]
    assert mark == APPLICATION_ID == int.from_bytes(b"HFDS", "big")
