"""The service's tables, in the database file of the sessions; scripts are only added at the end."""

USERS = (
    """
    CREATE TABLE users (
        subject TEXT PRIMARY KEY NOT NULL,
        email TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        role TEXT,
        disabled INTEGER NOT NULL DEFAULT 0,
        credential_version INTEGER NOT NULL DEFAULT 1,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
)

SIGN_INS = (
    """
    -- Consecutive failures of an account, or of a browser that it knows; keys are keyed hashes.
    CREATE TABLE sign_in_failures (
        key BLOB PRIMARY KEY NOT NULL,
        count INTEGER NOT NULL,
        last_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sign_in_failures_by_time ON sign_in_failures (last_at);

    -- Who has used up a quota of failures, and until when.
    CREATE TABLE sign_in_blocks (
        key BLOB PRIMARY KEY NOT NULL,
        until INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sign_in_blocks_by_time ON sign_in_blocks (until);
    """,
)
