-- What belongs to the whole store, in one row: `salt` for the tags of subjects, `epoch`, which every
-- live session carries, and `notifies`, which the first listener switches on.
CREATE TABLE @schema@.state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    salt bytea NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    notifies boolean NOT NULL DEFAULT false
);

-- Texts are kept as UTF-8 bytes: any text can be stored, in a database of any encoding, and ids sort
-- as they do in Python. `subject` is the SHA-256 of the subject, so that the index takes a subject of
-- any length. `version` is the unsigned 64-bit tag read as a signed integer. `due_at` is `expires_at`
-- as it was at the latest look of `purge_1`: an index over what every touch changes would make each
-- touch write all indexes.
CREATE TABLE @schema@.sessions (
    id bytea PRIMARY KEY,
    subject bytea,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    due_at bigint NOT NULL,
    epoch bigint NOT NULL,
    secret_hash bytea NOT NULL,
    address bytea,
    body bytea NOT NULL
) WITH (fillfactor = 85);

CREATE INDEX sessions_by_subject ON @schema@.sessions (subject, id) WHERE subject IS NOT NULL;

-- Finds both what may have expired of this epoch and everything of older epochs.
CREATE INDEX sessions_by_end ON @schema@.sessions (epoch, due_at);

-- `key` is the SHA-256 of the name. `counts` are 17, the newest first; see holdfast.rules.quota.
CREATE TABLE @schema@.quotas (
    key bytea PRIMARY KEY,
    expires_at bigint NOT NULL,
    newest bigint NOT NULL,
    counts bigint[] NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX quotas_by_end ON @schema@.quotas (expires_at);

-- The server's clock, in Unix ms.
CREATE FUNCTION @schema@.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(date_part('epoch', clock_timestamp()) * 1000)::bigint
$$;

-- What follows is called by every release that works on this schema: a later one adds functions of
-- other numbers. `a_wait` is how long the call may wait for locks, in ms: nobody is left to wait for
-- the answer afterwards, and the settings of a connection behind a pooler are not ours.

CREATE FUNCTION @schema@.begin_1(a_wait text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('lock_timeout', a_wait, true);
END $$;

-- As `begin_1`, for what may be lost with the server's memory.
CREATE FUNCTION @schema@.begin_light_1(a_wait text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('lock_timeout', a_wait, true);
    PERFORM set_config('synchronous_commit', 'off', true);
END $$;

-- As `begin_1`, for what must be on disk, here and on the synchronous standbys, when it returns.
CREATE FUNCTION @schema@.begin_durable_1(a_wait text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('lock_timeout', a_wait, true);
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END $$;

-- A transaction that changed nothing is not synced, and what came before it may not be on disk yet.
-- With this there is something to sync, so that a retry proves again.
CREATE FUNCTION @schema@.prove_1() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_logical_emit_message(true, 'holdfast', '');
END $$;

-- Tells the listeners that these records have changed; of many at once, that anything may have.
CREATE FUNCTION @schema@.announce_1(a_ids bytea[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Looked at after the change: whoever switches it on waits for changes that are under way.
    IF NOT (SELECT s.notifies FROM @schema@.state s) OR cardinality(a_ids) = 0 THEN
        RETURN;
    END IF;
    IF cardinality(a_ids) > 100 THEN
        PERFORM pg_notify('@channel@', 'f');
    ELSE
        PERFORM pg_notify('@channel@', 'c' || encode(each, 'escape')) FROM unnest(a_ids) each;
    END IF;
END $$;

CREATE FUNCTION @schema@.salt_1(a_wait text) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM @schema@.begin_1(a_wait);
    RETURN (SELECT s.salt FROM @schema@.state s);
END $$;

-- One row; `body` is null when there is no such record. `node` is this server process.
CREATE FUNCTION @schema@.get_1(
    a_wait text, a_id bytea,
    OUT body bytea, OUT seen_at bigint, OUT expires_at bigint, OUT address bytea,
    OUT node timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('lock_timeout', a_wait, true);
    node := pg_postmaster_start_time();
    SELECT s.body, s.seen_at, s.expires_at, s.address INTO body, seen_at, expires_at, address
    FROM @schema@.sessions s
    WHERE s.id = a_id AND s.epoch = (SELECT e.epoch FROM @schema@.state e);
END $$;

-- As `get_1`, and spends one of a quota for a record whose secret is known to the caller.
CREATE FUNCTION @schema@.get_take_1(
    a_wait text, a_id bytea, a_key bytea, a_limit bigint, a_period bigint, a_proof bytea,
    OUT body bytea, OUT seen_at bigint, OUT expires_at bigint, OUT address bytea,
    OUT node timestamptz, OUT allowed boolean, OUT remaining bigint, OUT retry_after bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_hash bytea;
BEGIN
    node := pg_postmaster_start_time();
    SELECT s.body, s.seen_at, s.expires_at, s.address, s.secret_hash
    INTO body, seen_at, expires_at, address, v_hash
    FROM @schema@.sessions s
    WHERE s.id = a_id AND s.epoch = (SELECT e.epoch FROM @schema@.state e);
    IF body IS NOT NULL AND (a_proof IS NULL OR a_proof = v_hash) THEN
        SELECT t.allowed, t.remaining, t.retry_after INTO allowed, remaining, retry_after
        FROM @schema@.take_1(a_wait, a_key, a_limit, a_period) t;
    END IF;
END $$;

-- One row for each evicted id with the reason `evicted`; or one row with the reason of a refusal.
--
-- With a cap, the inserts of one subject come one after another, so that each counts what the one
-- before has left. All locks of rows are taken in the order of their ids, after that one.
CREATE FUNCTION @schema@.insert_1(
    a_wait text, a_id bytea, a_subject bytea, a_version bigint, a_created_at bigint,
    a_seen_at bigint, a_expires_at bigint, a_secret_hash bytea, a_address bytea, a_body bytea,
    a_cap bigint, a_reject boolean, a_old bytea, a_old_version bigint
) RETURNS TABLE (reason text, gone bytea) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_capped boolean := a_cap IS NOT NULL AND a_subject IS NOT NULL;
    v_epoch bigint;
    v_live bytea[] := '{}';
    v_gone bytea[];
    v_over bigint := 0;
    v_version bigint;
BEGIN
    PERFORM @schema@.begin_1(a_wait);
    IF v_capped THEN
        PERFORM @schema@.lock_subject_1(a_subject);
    END IF;
    SELECT e.epoch INTO v_epoch FROM @schema@.state e;
    IF EXISTS (SELECT 1 FROM @schema@.sessions s WHERE s.id = a_id) THEN
        RETURN QUERY SELECT 'exists', NULL::bytea;
        RETURN;
    END IF;
    IF v_capped THEN
        v_live := ARRAY(
            SELECT s.id FROM @schema@.sessions s
            WHERE s.subject = a_subject AND s.epoch = v_epoch AND s.id IS DISTINCT FROM a_old
                AND s.expires_at > @schema@.now_ms()
            ORDER BY s.created_at, s.id
        );
        v_over := cardinality(v_live) + 1 - a_cap;
    END IF;
    v_live := v_live[1:greatest(v_over, 0)];
    v_gone := array_remove(v_live || a_old, NULL);
    IF cardinality(v_gone) > 0 THEN
        PERFORM 1 FROM @schema@.sessions s WHERE s.id = ANY (v_gone) ORDER BY s.id FOR UPDATE;
    END IF;
    SELECT s.version INTO v_version
    FROM @schema@.sessions s WHERE s.id = a_old AND s.epoch = v_epoch;
    IF v_version <> a_old_version THEN
        RETURN QUERY SELECT 'changed', NULL::bytea;
        RETURN;
    END IF;
    IF v_over > 0 AND (a_reject OR a_cap < 1) THEN
        RETURN QUERY SELECT 'cap', NULL::bytea;
        RETURN;
    END IF;
    IF cardinality(v_gone) > 0 THEN
        DELETE FROM @schema@.sessions s WHERE s.id = ANY (v_gone);
        PERFORM @schema@.announce_1(v_gone);
    END IF;
    INSERT INTO @schema@.sessions (
        id, subject, version, created_at, seen_at, expires_at, due_at, epoch, secret_hash, address,
        body
    ) VALUES (
        a_id, a_subject, a_version, a_created_at, a_seen_at, a_expires_at, a_expires_at, v_epoch,
        a_secret_hash, a_address, a_body
    );
    RETURN QUERY SELECT 'evicted', each FROM unnest(v_live) WITH ORDINALITY AS u (each, place)
    ORDER BY place;
END $$;

-- Until the end of the transaction, for inserts that count and for `delete_all_1`. With the snapshot
-- of a stricter isolation level, whoever has waited would count what was there before.
CREATE FUNCTION @schema@.lock_subject_1(a_subject bytea) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'default_transaction_isolation must be read committed'
            USING ERRCODE = '25001';
    END IF;
    PERFORM pg_advisory_xact_lock(
        hashtext('@channel@'), ('x' || encode(substr(a_subject, 1, 4), 'hex'))::bit(32)::int
    );
END $$;

CREATE FUNCTION @schema@.update_1(
    a_wait text, a_id bytea, a_subject bytea, a_version bigint, a_created_at bigint,
    a_seen_at bigint, a_expires_at bigint, a_secret_hash bytea, a_address bytea, a_body bytea,
    a_expected bigint, a_durable boolean
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF a_durable THEN
        PERFORM @schema@.begin_durable_1(a_wait);
    ELSE
        PERFORM @schema@.begin_1(a_wait);
    END IF;
    UPDATE @schema@.sessions s SET
        subject = a_subject, version = a_version, created_at = a_created_at,
        secret_hash = a_secret_hash, body = a_body,
        address = CASE WHEN s.seen_at > a_seen_at THEN s.address ELSE a_address END,
        seen_at = greatest(s.seen_at, a_seen_at), expires_at = greatest(s.expires_at, a_expires_at)
    WHERE s.id = a_id AND s.version = a_expected
        AND s.epoch = (SELECT e.epoch FROM @schema@.state e);
    IF FOUND THEN
        PERFORM @schema@.announce_1(ARRAY[a_id]);
        RETURN true;
    END IF;
    RETURN false;
END $$;

CREATE FUNCTION @schema@.touch_1(
    a_wait text, a_id bytea, a_seen_at bigint, a_expires_at bigint, a_address bytea
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM @schema@.begin_light_1(a_wait);
    UPDATE @schema@.sessions s SET
        address = CASE
            WHEN s.seen_at > a_seen_at THEN s.address ELSE coalesce(a_address, s.address) END,
        seen_at = greatest(s.seen_at, a_seen_at), expires_at = greatest(s.expires_at, a_expires_at)
    WHERE s.id = a_id AND s.epoch = (SELECT e.epoch FROM @schema@.state e);
    RETURN FOUND;
END $$;

CREATE FUNCTION @schema@.delete_1(
    a_wait text, a_id bytea, a_expected bigint, a_durable boolean
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF a_durable THEN
        PERFORM @schema@.begin_durable_1(a_wait);
    ELSE
        PERFORM @schema@.begin_1(a_wait);
    END IF;
    DELETE FROM @schema@.sessions s
    WHERE s.id = a_id AND (a_expected IS NULL OR s.version = a_expected)
        AND s.epoch = (SELECT e.epoch FROM @schema@.state e);
    IF FOUND THEN
        PERFORM @schema@.announce_1(ARRAY[a_id]);
        RETURN true;
    END IF;
    IF a_durable THEN
        PERFORM @schema@.prove_1();
    END IF;
    RETURN false;
END $$;

-- The removed ids.
CREATE FUNCTION @schema@.delete_all_1(a_wait text, a_subject bytea, a_keep bytea)
RETURNS SETOF bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_ids bytea[];
BEGIN
    PERFORM @schema@.begin_durable_1(a_wait);
    PERFORM @schema@.lock_subject_1(a_subject);
    v_ids := ARRAY(
        SELECT s.id FROM @schema@.sessions s
        WHERE s.subject = a_subject AND s.id IS DISTINCT FROM a_keep
            AND s.epoch = (SELECT e.epoch FROM @schema@.state e)
        ORDER BY s.id FOR UPDATE
    );
    IF cardinality(v_ids) = 0 THEN
        PERFORM @schema@.prove_1();
        RETURN;
    END IF;
    DELETE FROM @schema@.sessions s WHERE s.id = ANY (v_ids);
    PERFORM @schema@.announce_1(v_ids);
    RETURN QUERY SELECT unnest(v_ids);
END $$;

CREATE FUNCTION @schema@.page_1(a_wait text, a_after bytea, a_limit bigint)
RETURNS TABLE (body bytea, seen_at bigint, expires_at bigint, address bytea, id bytea)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM @schema@.begin_1(a_wait);
    RETURN QUERY SELECT s.body, s.seen_at, s.expires_at, s.address, s.id
    FROM @schema@.sessions s
    WHERE s.id > a_after AND s.epoch = (SELECT e.epoch FROM @schema@.state e)
    ORDER BY s.id LIMIT a_limit;
END $$;

CREATE FUNCTION @schema@.page_of_1(a_wait text, a_subject bytea, a_after bytea, a_limit bigint)
RETURNS TABLE (body bytea, seen_at bigint, expires_at bigint, address bytea, id bytea)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM @schema@.begin_1(a_wait);
    RETURN QUERY SELECT s.body, s.seen_at, s.expires_at, s.address, s.id
    FROM @schema@.sessions s
    WHERE s.subject = a_subject AND s.id > a_after
        AND s.epoch = (SELECT e.epoch FROM @schema@.state e)
    ORDER BY s.id LIMIT a_limit;
END $$;

-- One batch: `went` were removed, and with `more` there may be others. What others work on is left
-- for the next time.
CREATE FUNCTION @schema@.purge_1(a_wait text, a_limit bigint, OUT went bigint, OUT more boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_now bigint := @schema@.now_ms();
    v_epoch bigint := (SELECT e.epoch FROM @schema@.state e);
    v_due bytea[];
    v_left bigint;
    v_count bigint;
BEGIN
    PERFORM @schema@.begin_light_1(a_wait);
    v_due := ARRAY(
        SELECT s.id FROM @schema@.sessions s WHERE s.epoch = v_epoch AND s.due_at <= v_now
        ORDER BY s.epoch, s.due_at LIMIT a_limit FOR UPDATE SKIP LOCKED
    );
    UPDATE @schema@.sessions s SET due_at = s.expires_at
    WHERE s.id = ANY (v_due) AND s.expires_at > v_now;
    DELETE FROM @schema@.sessions s WHERE s.id = ANY (v_due) AND s.expires_at <= v_now;
    GET DIAGNOSTICS went = ROW_COUNT;
    v_left := a_limit - cardinality(v_due);

    DELETE FROM @schema@.sessions s WHERE s.id = ANY (ARRAY(
        SELECT o.id FROM @schema@.sessions o WHERE o.epoch < v_epoch
        LIMIT v_left FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    went := went + v_count;
    v_left := v_left - v_count;

    DELETE FROM @schema@.quotas q WHERE q.key = ANY (ARRAY(
        SELECT o.key FROM @schema@.quotas o WHERE o.expires_at <= v_now
        LIMIT v_left FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    went := went + v_count;
    more := v_left = v_count;
END $$;

-- The new epoch.
CREATE FUNCTION @schema@.bump_epoch_1(a_wait text) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_epoch bigint;
BEGIN
    PERFORM @schema@.begin_durable_1(a_wait);
    UPDATE @schema@.state s SET epoch = s.epoch + 1 RETURNING s.epoch INTO v_epoch;
    PERFORM pg_notify('@channel@', 'f') FROM @schema@.state s WHERE s.notifies;
    RETURN v_epoch;
END $$;

-- Whether it was lower.
CREATE FUNCTION @schema@.raise_epoch_1(a_wait text, a_epoch bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM @schema@.begin_durable_1(a_wait);
    UPDATE @schema@.state s SET epoch = a_epoch WHERE s.epoch < a_epoch;
    IF FOUND THEN
        PERFORM pg_notify('@channel@', 'f') FROM @schema@.state s WHERE s.notifies;
        RETURN true;
    END IF;
    PERFORM @schema@.prove_1();
    RETURN false;
END $$;

-- The rule of holdfast.rules.quota: the new state, or the same one when the answer is no. Loops and
-- assignments alone: a query inside a function costs as much as all of them.
CREATE FUNCTION @schema@.spend_1(
    a_newest bigint, a_counts bigint[], a_limit bigint, a_period bigint, a_now bigint,
    OUT newest bigint, OUT counts bigint[],
    OUT allowed boolean, OUT remaining bigint, OUT retry_after bigint
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_bucket bigint := a_now * 16 / a_period;
    v_passed bigint := v_bucket - a_newest;
    v_seen bigint[] := a_counts;
    v_count bigint;
    v_spent bigint := 0;
BEGIN
    newest := a_newest;
    counts := a_counts;
    IF v_passed < -16 THEN
        -- The clock was put back: all that is known counts as spent just now.
        FOREACH v_count IN ARRAY a_counts LOOP
            v_spent := v_spent + v_count;
        END LOOP;
        newest := v_bucket;
        counts := v_spent || array_fill(0::bigint, ARRAY[16]);
        v_seen := counts;
    ELSIF v_passed > 0 THEN
        v_seen := (array_fill(0::bigint, ARRAY[least(v_passed, 17)::int]) || counts)[1:17];
    END IF;
    v_spent := 0;
    FOREACH v_count IN ARRAY v_seen LOOP
        v_spent := v_spent + v_count;
    END LOOP;
    v_bucket := greatest(v_bucket, newest);
    allowed := v_spent < a_limit;
    IF allowed THEN
        newest := v_bucket;
        v_seen[1] := v_seen[1] + 1;
        counts := v_seen;
        remaining := a_limit - v_spent - 1;
        retry_after := 0;
        RETURN;
    END IF;
    remaining := 0;
    retry_after := a_period;
    FOR age IN REVERSE 16..0 LOOP
        v_spent := v_spent - v_seen[age + 1];
        IF v_spent < a_limit THEN
            retry_after := @schema@.leaves_1(v_bucket - age, a_period) - a_now;
            RETURN;
        END IF;
    END LOOP;
END $$;

-- The first ms at which a bucket is no longer among the 17 of the window.
CREATE FUNCTION @schema@.leaves_1(a_bucket bigint, a_period bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT ((a_bucket + 17) * a_period + 15) / 16
$$;

-- A refusal takes no lock and writes nothing, so that who is out of budget costs little.
CREATE FUNCTION @schema@.take_1(
    a_wait text, a_key bytea, a_limit bigint, a_period bigint,
    OUT allowed boolean, OUT remaining bigint, OUT retry_after bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_old record;
    v_new record;
BEGIN
    PERFORM @schema@.begin_light_1(a_wait);
    LOOP
        SELECT q.newest, q.counts INTO v_old FROM @schema@.quotas q WHERE q.key = a_key;
        IF FOUND THEN
            SELECT * INTO v_new FROM @schema@.spend_1(
                v_old.newest, v_old.counts, a_limit, a_period, @schema@.now_ms()
            );
            EXIT WHEN NOT v_new.allowed AND v_new.newest = v_old.newest;
            SELECT q.newest, q.counts INTO v_old FROM @schema@.quotas q WHERE q.key = a_key
            FOR UPDATE;
            CONTINUE WHEN NOT FOUND;
            SELECT * INTO v_new FROM @schema@.spend_1(
                v_old.newest, v_old.counts, a_limit, a_period, @schema@.now_ms()
            );
            EXIT WHEN NOT v_new.allowed AND v_new.newest = v_old.newest;
            UPDATE @schema@.quotas q SET newest = v_new.newest, counts = v_new.counts,
                expires_at = @schema@.leaves_1(v_new.newest, a_period)
            WHERE q.key = a_key;
            EXIT;
        END IF;
        SELECT * INTO v_new FROM @schema@.spend_1(
            0, array_fill(0::bigint, ARRAY[17]), a_limit, a_period, @schema@.now_ms()
        );
        EXIT WHEN NOT v_new.allowed;
        INSERT INTO @schema@.quotas AS q (key, expires_at, newest, counts) VALUES (
            a_key, @schema@.leaves_1(v_new.newest, a_period), v_new.newest, v_new.counts
        ) ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
    allowed := v_new.allowed;
    remaining := v_new.remaining;
    retry_after := v_new.retry_after;
END $$;

-- Gives back what was spent a moment ago for a record that turned out to be damaged.
CREATE FUNCTION @schema@.refund_1(a_wait text, a_key bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM @schema@.begin_light_1(a_wait);
    UPDATE @schema@.quotas q SET counts[1] = greatest(q.counts[1] - 1, 0) WHERE q.key = a_key;
    RETURN FOUND;
END $$;

-- Switches announcements on. Changes that are under way have looked already: this waits for them.
CREATE FUNCTION @schema@.listen_1(a_wait text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM @schema@.begin_1(a_wait);
    IF (SELECT s.notifies FROM @schema@.state s) THEN
        RETURN false;
    END IF;
    LOCK TABLE @schema@.sessions IN SHARE ROW EXCLUSIVE MODE;
    UPDATE @schema@.state SET notifies = true;
    RETURN true;
END $$;
