INSERT INTO prompts (name, version, body, created_at, updated_at)
VALUES ('old', 2, '{"arguments":[],"messages":[{"role":"user","text":"kept"}]}', 1, 2), ('gone', 5, NULL, 1, 2);

INSERT INTO prompt_versions (name, version, body, updated_at)
VALUES ('old', 1, '{"arguments":[],"messages":[{"role":"user","text":"earlier"}]}', 1);
