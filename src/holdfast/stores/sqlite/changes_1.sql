-- What changed in the file, for processes that watch; made when the first of them comes. A row with
-- the id NULL stands for everything, one that begins with '!' is a watcher's own mark. Rows are
-- written up to the number `changes_until`, which watchers move on while they read: after the last
-- of them has gone, no more than a bounded number of rows is written.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY NOT NULL,
    id TEXT
);

INSERT INTO meta (key, value) VALUES ('changes_until', 0);

-- Activity changes no version, and is no change.
CREATE TRIGGER changes_of_updates AFTER UPDATE OF version ON sessions
WHEN ifnull((SELECT max(seq) FROM changes), 0)
    < (SELECT value FROM meta WHERE key = 'changes_until')
BEGIN
    INSERT INTO changes (id) VALUES (OLD.id);
END;

CREATE TRIGGER changes_of_deletes AFTER DELETE ON sessions
WHEN ifnull((SELECT max(seq) FROM changes), 0)
    < (SELECT value FROM meta WHERE key = 'changes_until')
BEGIN
    INSERT INTO changes (id) VALUES (OLD.id);
END;

CREATE TRIGGER changes_of_everything AFTER UPDATE OF value ON meta
WHEN NEW.key = 'epoch' AND ifnull((SELECT max(seq) FROM changes), 0)
    < (SELECT value FROM meta WHERE key = 'changes_until')
BEGIN
    INSERT INTO changes (id) VALUES (NULL);
END;
