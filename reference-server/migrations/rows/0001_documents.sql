-- For tests: what a server of this step had stored, in the SQL that both engines take.
INSERT INTO documents (path, version, title, media_type, content, metadata, tags, created_at, updated_at)
VALUES ('a', 7, 'A', 'text/plain', 'kept words', '{"k":[1]}', '["t"]', 1, 2);

INSERT INTO document_versions (document_id, version, path, title, media_type, content, metadata, tags, updated_at)
VALUES (1, 6, 'a', 'A', 'text/plain', 'earlier words', '{}', '[]', 1);

INSERT INTO retired_versions (path, version) VALUES ('gone', 4);
