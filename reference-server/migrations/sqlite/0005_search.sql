-- What a search ranks and filters by, without the rows, whose contents lie between: by document, and the latest change first.
CREATE INDEX documents_ranked ON documents (id, updated_at, path, media_type, tags);
CREATE INDEX documents_recent ON documents (updated_at DESC, path, media_type, tags);
