-- Values that belong to the whole file: `salt` for the tags of subjects, `epoch`, which every live
-- session carries, and `proof`, which durable commits count up so that there is always a page to sync.
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value ANY
) WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('epoch', 0), ('proof', 0);

-- `version` is the unsigned 64-bit tag read as a signed integer. The body stays out of the primary
-- key's tree (no WITHOUT ROWID): measured twice as fast to read from 4 KB of data on.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    subject TEXT,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    address TEXT,
    body BLOB NOT NULL
);

CREATE INDEX sessions_by_subject ON sessions (subject, id) WHERE subject IS NOT NULL;

-- Finds both the expired ones of this epoch and everything of older epochs.
CREATE INDEX sessions_by_end ON sessions (epoch, expires_at);

CREATE TABLE quotas (
    key TEXT PRIMARY KEY NOT NULL,
    expires_at INTEGER NOT NULL,
    state BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX quotas_by_end ON quotas (expires_at);
