-- Prompts as they are now, each the JSON of its body, kept as the text that was written. Without a body the prompt is
-- deleted; its row stays, so that the next prompt of that name counts on from there. Version 0: nothing yet.
CREATE TABLE prompts (
    name TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version >= 0),
    body TEXT CHECK (jsonb_typeof(body::jsonb) = 'object'),
    created_at BIGINT NOT NULL, -- milliseconds since 1970
    updated_at BIGINT NOT NULL
);

-- What they were before, until they are deleted.
CREATE TABLE prompt_versions (
    name TEXT COLLATE "C" NOT NULL REFERENCES prompts (name),
    version BIGINT NOT NULL CHECK (version > 0),
    body TEXT NOT NULL CHECK (jsonb_typeof(body::jsonb) = 'object'),
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

-- What was changed: a document, or some prompt.
ALTER TABLE changes ADD COLUMN kind TEXT NOT NULL DEFAULT 'document' CHECK (kind IN ('document', 'prompt'));
