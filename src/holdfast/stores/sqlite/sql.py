"""The statements of the SQLite store.

Every one compares with the epoch of the file, so that one changed row ends all sessions at once.
"""
# ruff: noqa: S608 - put together from constants of this module only

from __future__ import annotations

EPOCH = "(SELECT value FROM meta WHERE key = 'epoch')"
# The plus keeps the planner from using the index by epoch, in which all living sessions are equal.
_ALIVE = f"+epoch = {EPOCH}"

SALT = "SELECT value FROM meta WHERE key = 'salt'"

GET = f"""
    SELECT body, seen_at, expires_at, address FROM sessions WHERE id = ? AND {_ALIVE}
"""
PAGE = f"""
    SELECT body, seen_at, expires_at, address, id FROM sessions
    WHERE id > ? AND {_ALIVE} ORDER BY id LIMIT ?
"""
PAGE_OF = f"""
    SELECT body, seen_at, expires_at, address, id FROM sessions
    WHERE subject = ? AND id > ? AND {_ALIVE} ORDER BY id LIMIT ?
"""
QUOTA = "SELECT state FROM quotas WHERE key = ?"
GET_AND_QUOTA = f"""
    SELECT body, seen_at, expires_at, address, (SELECT state FROM quotas WHERE key = ?)
    FROM sessions WHERE id = ? AND {_ALIVE}
"""

EXISTS = "SELECT 1 FROM sessions WHERE id = ?"
VERSION = f"SELECT version FROM sessions WHERE id = ? AND {_ALIVE}"
LIVE = f"""
    SELECT id FROM sessions
    WHERE subject = ? AND id IS NOT ? AND {_ALIVE} AND expires_at > ?
    ORDER BY created_at, id
"""
INSERT = f"""
    INSERT INTO sessions
    (id, subject, version, created_at, seen_at, expires_at, address, body, epoch)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, {EPOCH})
"""
# By place, since each name would be looked up anew; both take the values of `verbs.replacement`.
UPDATE = f"""
    UPDATE sessions SET
        version = ?, body = ?, created_at = ?,
        address = iif(seen_at > ?, address, ?), seen_at = max(seen_at, ?),
        subject = ?, expires_at = max(expires_at, ?)
    WHERE id = ? AND version = ? AND {_ALIVE}
"""
# The same where no index needs to change; half the pages. No row: try the other.
UPDATE_IN_PLACE = f"""
    UPDATE sessions SET
        version = ?, body = ?, created_at = ?,
        address = iif(seen_at > ?, address, ?), seen_at = max(seen_at, ?)
    WHERE subject IS ? AND expires_at >= ? AND id = ? AND version = ? AND {_ALIVE}
"""
TOUCH = f"""
    UPDATE sessions SET
        address = iif(seen_at > :seen_at, address, ifnull(:address, address)),
        seen_at = max(seen_at, :seen_at), expires_at = max(expires_at, :expires_at)
    WHERE id = :id AND {_ALIVE}
"""
DELETE = f"DELETE FROM sessions WHERE id = ? AND {_ALIVE}"
DELETE_VERSION = f"{DELETE} AND version = ?"
IDS_OF = f"SELECT id FROM sessions WHERE subject = ? AND id IS NOT ? AND {_ALIVE}"
BUMP = "UPDATE meta SET value = value + 1 WHERE key = 'epoch'"
PURGES = (
    f"""DELETE FROM sessions WHERE rowid IN (
        SELECT rowid FROM sessions WHERE epoch = {EPOCH} AND expires_at <= :now LIMIT :limit)""",
    f"""DELETE FROM sessions WHERE rowid IN (
        SELECT rowid FROM sessions WHERE epoch < {EPOCH} LIMIT :limit)""",
    """DELETE FROM quotas WHERE key IN (
        SELECT key FROM quotas WHERE expires_at <= :now LIMIT :limit)""",
)
# Each changes a row only if nobody else has meanwhile.
SPEND_FIRST = "INSERT OR IGNORE INTO quotas (state, expires_at, key) VALUES (?, ?, ?)"
SPEND = "UPDATE quotas SET state = ?, expires_at = ? WHERE key = ? AND state = ?"
# The same where the end stays, and with it the index; half the pages.
SPEND_IN_PLACE = "UPDATE quotas SET state = ? WHERE key = ? AND state = ?"
