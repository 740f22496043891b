-- Documents as they are now. A path and a version name one content forever: see retired_versions.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL CHECK (version > 0),
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content TEXT NOT NULL,
    metadata TEXT NOT NULL CHECK (json_type(metadata) = 'object'),
    tags TEXT NOT NULL CHECK (json_type(tags) = 'array'),
    created_at INTEGER NOT NULL, -- milliseconds since 1970
    updated_at INTEGER NOT NULL
) STRICT;

-- What they were before. They go with their document.
CREATE TABLE document_versions (
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content TEXT NOT NULL,
    metadata TEXT NOT NULL,
    tags TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (document_id, version)
) STRICT;

-- The last version that a path had when its document was deleted or moved away. The next document at that path
-- counts on from there, so that a writer who still expects the old one is refused.
CREATE TABLE retired_versions (
    path TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The text index holds no copy of the texts; the triggers keep it in step within the same transaction.
CREATE VIRTUAL TABLE documents_text USING fts5 (
    path, title, content,
    content = 'documents', content_rowid = 'id',
    tokenize = "unicode61 remove_diacritics 2"
);

CREATE TRIGGER documents_text_insert AFTER INSERT ON documents BEGIN
    INSERT INTO documents_text (rowid, path, title, content) VALUES (new.id, new.path, new.title, new.content);
END;

CREATE TRIGGER documents_text_delete AFTER DELETE ON documents BEGIN
    INSERT INTO documents_text (documents_text, rowid, path, title, content)
    VALUES ('delete', old.id, old.path, old.title, old.content);
END;

CREATE TRIGGER documents_text_update AFTER UPDATE OF path, title, content ON documents BEGIN
    INSERT INTO documents_text (documents_text, rowid, path, title, content)
    VALUES ('delete', old.id, old.path, old.title, old.content);
    INSERT INTO documents_text (rowid, path, title, content) VALUES (new.id, new.path, new.title, new.content);
END;
