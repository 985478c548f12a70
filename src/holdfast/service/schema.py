"""The service's tables, beside those of the sessions; scripts are only added at the end."""

from __future__ import annotations

from holdfast.service.database import Tables

USERS = Tables(
    name="users",
    sqlite=(
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
    ),
    postgres=(
        # Compared and sorted as they are, whatever the language of the database.
        """
        CREATE TABLE @schema@.users (
            subject text COLLATE "C" PRIMARY KEY,
            email text COLLATE "C" NOT NULL UNIQUE,
            password_hash text NOT NULL,
            role text,
            disabled bigint NOT NULL DEFAULT 0,
            credential_version bigint NOT NULL DEFAULT 1,
            created_at bigint NOT NULL
        );
        """,
    ),
)

SIGN_INS = Tables(
    name="sign_ins",
    sqlite=(
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
    ),
    postgres=(
        """
        CREATE TABLE @schema@.sign_in_failures (
            key bytea PRIMARY KEY,
            count bigint NOT NULL,
            last_at bigint NOT NULL
        );
        CREATE INDEX sign_in_failures_by_time ON @schema@.sign_in_failures (last_at);

        CREATE TABLE @schema@.sign_in_blocks (
            key bytea PRIMARY KEY,
            until bigint NOT NULL
        );
        CREATE INDEX sign_in_blocks_by_time ON @schema@.sign_in_blocks (until);
        """,
    ),
)
