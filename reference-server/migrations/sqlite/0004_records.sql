-- Records as they are now, each the JSON of its body, kept as the text that was written. Without a body the record is
-- deleted; its row stays, so that the next record of that id counts on from there. Version 0: nothing yet.
-- keys is an object with a text for each field, which compares as the field's value does: what queries look at.
CREATE TABLE records (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 0),
    body TEXT CHECK (json_type(body) = 'object'),
    keys TEXT CHECK (json_type(keys) = 'object'),
    created_at INTEGER NOT NULL, -- milliseconds since 1970
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (collection, id),
    CHECK ((body IS NULL) = (keys IS NULL))
) STRICT;

-- Those that are there.
CREATE INDEX records_there ON records (collection, id) WHERE body IS NOT NULL;

-- What was changed may be a record. The table is made anew, since a condition cannot be changed; it counts on.
CREATE TABLE changes_anew (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    listed INTEGER NOT NULL CHECK (listed IN (0, 1)), -- whether a list of resources shows the change
    origin TEXT NOT NULL, -- the server that made it
    at INTEGER NOT NULL, -- milliseconds since 1970
    kind TEXT NOT NULL DEFAULT 'document' CHECK (kind IN ('document', 'prompt', 'record'))
) STRICT;

INSERT INTO sqlite_sequence (name, seq) SELECT 'changes_anew', seq FROM sqlite_sequence WHERE name = 'changes';

INSERT INTO changes_anew (seq, path, listed, origin, at, kind) SELECT seq, path, listed, origin, at, kind FROM changes;

DROP TABLE changes;

ALTER TABLE changes_anew RENAME TO changes;
