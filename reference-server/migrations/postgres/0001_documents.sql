-- The same tables as in migrations/sqlite, in PostgreSQL's types. Paths are compared byte by byte, as SQLite does.
CREATE TABLE documents (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path TEXT COLLATE "C" NOT NULL UNIQUE,
    version BIGINT NOT NULL CHECK (version > 0),
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content TEXT NOT NULL,
    metadata JSONB NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
    tags JSONB NOT NULL CHECK (jsonb_typeof(tags) = 'array'),
    created_at BIGINT NOT NULL, -- milliseconds since 1970
    updated_at BIGINT NOT NULL
);

-- What they were before. They go with their document.
CREATE TABLE document_versions (
    document_id BIGINT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content TEXT NOT NULL,
    metadata JSONB NOT NULL,
    tags JSONB NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (document_id, version)
);

-- The last version that a path had when its document was deleted or moved away. The next document at that path
-- counts on from there, so that a writer who still expects the old one is refused.
CREATE TABLE retired_versions (
    path TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL
);

-- The text index. The server divides texts into words, so that no setting of the database does: each column is its
-- words without case and accents, with a space before and behind each, which is what phrases are looked for in;
-- vector holds each word once.
CREATE TABLE documents_text (
    document_id BIGINT PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    path TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    vector TSVECTOR NOT NULL
);

CREATE INDEX documents_text_vector ON documents_text USING gin (vector);
