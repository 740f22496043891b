-- Records as they are now, each the JSON of its body, kept as the text that was written. Without a body the record is
-- deleted; its row stays, so that the next record of that id counts on from there. Version 0: nothing yet.
-- keys is an object with a text for each field, which compares as the field's value does: what queries look at.
CREATE TABLE records (
    collection TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 0),
    body TEXT CHECK (jsonb_typeof(body::jsonb) = 'object'),
    keys JSONB CHECK (jsonb_typeof(keys) = 'object'),
    created_at BIGINT NOT NULL, -- milliseconds since 1970
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (collection, id),
    CHECK ((body IS NULL) = (keys IS NULL))
);

-- Those that are there.
CREATE INDEX records_there ON records (collection, id) WHERE body IS NOT NULL;

-- What was changed may be a record.
ALTER TABLE changes DROP CONSTRAINT changes_kind_check;

ALTER TABLE changes ADD CONSTRAINT changes_kind_check CHECK (kind IN ('document', 'prompt', 'record'));
