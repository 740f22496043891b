INSERT INTO records (collection, id, version, body, keys, created_at, updated_at)
VALUES ('c', 'old', 3, '{}', '{}', 1, 2), ('c', 'gone', 6, NULL, NULL, 1, 2);
