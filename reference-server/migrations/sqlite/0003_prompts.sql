-- Prompts as they are now, each the JSON of its body, kept as the text that was written. Without a body the prompt is
-- deleted; its row stays, so that the next prompt of that name counts on from there. Version 0: nothing yet.
CREATE TABLE prompts (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version >= 0),
    body TEXT CHECK (json_type(body) = 'object'),
    created_at INTEGER NOT NULL, -- milliseconds since 1970
    updated_at INTEGER NOT NULL
) STRICT;

-- What they were before, until they are deleted.
CREATE TABLE prompt_versions (
    name TEXT NOT NULL REFERENCES prompts (name),
    version INTEGER NOT NULL CHECK (version > 0),
    body TEXT NOT NULL CHECK (json_type(body) = 'object'),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;

-- What was changed: a document, or some prompt.
ALTER TABLE changes ADD COLUMN kind TEXT NOT NULL DEFAULT 'document' CHECK (kind IN ('document', 'prompt'));
