//! Changing: each function is one transaction that holds the lock of every path it touches from its second statement on.

use serde_json::Value;
use sqlx::Row;

use super::feed::note;
use super::search::Indexed;
use super::session::{Sessions, Work};
use super::{PostgresStore, rows};
use crate::storage::{Body, Changes, Document, DocumentPath, StoreError, now};

/// A transaction that writes.
pub(super) struct Writing<'a> {
    pub(super) sessions: &'a Sessions,
    origin: &'a str,
    pub(super) work: Work,
}

pub(super) fn json(body: &Body) -> (String, String) {
    let tags = body.tags.iter().map(String::as_str).collect::<Value>();
    (Value::Object(body.metadata.clone()).to_string(), tags.to_string())
}

fn following(version: u32) -> Result<u32, StoreError> {
    version.checked_add(1).ok_or(StoreError::Corrupt("version"))
}

impl<'a> Writing<'a> {
    /// Begins, and waits until no other writer is at one of these paths, as a row's lock cannot where no row is yet.
    pub(super) async fn begin(store: &'a PostgresStore, paths: &[&DocumentPath]) -> Result<Self, StoreError> {
        // In one order, so that two writers never wait for each other. The seed keeps off other users of such locks.
        let statement = "
            SELECT pg_advisory_xact_lock(key) FROM (
                SELECT DISTINCT hashtextextended(path, 7165) AS key FROM unnest($1::text[]) AS path ORDER BY key
            ) AS keys";
        let sessions = &store.sessions;
        let mut work = sessions.writing().await?;
        let paths: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
        sessions.query(statement).bind(paths).fetch_all(&mut *work).await?;
        Ok(Self { sessions, origin: &store.origin, work })
    }

    /// The last version that an earlier document had at this path; 0 without one.
    async fn retired(&mut self, path: &DocumentPath) -> Result<u32, StoreError> {
        let statement = self.sessions.query("SELECT version FROM retired_versions WHERE path = $1");
        let row = statement.bind(path.as_str()).fetch_optional(&mut *self.work).await?;
        row.as_ref().map_or(Ok(0), rows::version)
    }

    pub(super) async fn retire(&mut self, path: &DocumentPath, version: u32) -> Result<(), StoreError> {
        let statement = "
            INSERT INTO retired_versions AS there (path, version) VALUES ($1, $2)
            ON CONFLICT (path) DO UPDATE SET version = greatest(there.version, excluded.version)";
        let retiring = self.sessions.query(statement).bind(path.as_str()).bind(i64::from(version));
        retiring.execute(&mut *self.work).await?;
        Ok(())
    }

    async fn taken(&mut self, path: &DocumentPath) -> Result<bool, StoreError> {
        let statement = self.sessions.query("SELECT 1 FROM documents WHERE path = $1").bind(path.as_str());
        Ok(statement.fetch_optional(&mut *self.work).await?.is_some())
    }

    /// The current row of a document, held to the version that the writer expects.
    async fn current(&mut self, path: &DocumentPath, expected: Option<u32>) -> Result<(i64, Document), StoreError> {
        let statement = "
            SELECT id, path, version, title, media_type, content, metadata::text, tags::text, created_at, updated_at
            FROM documents WHERE path = $1 FOR UPDATE";
        let reading = self.sessions.query(statement).bind(path.as_str());
        let row = reading.fetch_optional(&mut *self.work).await?;
        let row = row.ok_or_else(|| StoreError::NotFound(path.clone()))?;
        let document = rows::document(&row)?;
        match expected {
            Some(expected) if expected != document.version => {
                Err(StoreError::Conflict { path: path.clone(), expected, current: document.version })
            }
            _ => Ok((row.try_get("id")?, document)),
        }
    }

    async fn keep_version(&mut self, id: i64) -> Result<(), StoreError> {
        let statement = "
            INSERT INTO document_versions
                (document_id, version, path, title, media_type, content, metadata, tags, updated_at)
            SELECT id, version, path, title, media_type, content, metadata, tags, updated_at
            FROM documents WHERE id = $1";
        self.sessions.query(statement).bind(id).execute(&mut *self.work).await?;
        Ok(())
    }

    pub(super) async fn index(&mut self, id: i64, path: &DocumentPath, body: &Body) -> Result<(), StoreError> {
        let statement = "
            INSERT INTO documents_text (document_id, path, title, content, vector)
            VALUES ($1, $2, $3, $4, $5::text::tsvector)
            ON CONFLICT (document_id) DO UPDATE SET path = excluded.path, title = excluded.title,
                content = excluded.content, vector = excluded.vector";
        let indexed = Indexed::new(path, body);
        let statement = self.sessions.query(statement).bind(id).bind(indexed.path).bind(indexed.title);
        statement.bind(indexed.content).bind(indexed.vector).execute(&mut *self.work).await?;
        Ok(())
    }

    async fn note(&mut self, path: &DocumentPath, listed: bool, at: i64) -> Result<(), StoreError> {
        note(self.sessions, &mut self.work, self.origin, path, listed, at).await
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.work.commit().await?)
    }
}

pub(super) async fn create(store: &PostgresStore, path: &DocumentPath, body: Body) -> Result<Document, StoreError> {
    let mut writing = Writing::begin(store, &[path]).await?;
    if writing.taken(path).await? {
        return Err(StoreError::Exists(path.clone()));
    }
    let version = following(writing.retired(path).await?)?;
    let at = now();
    let (metadata, tags) = json(&body);
    let statement = "
        INSERT INTO documents (path, version, title, media_type, content, metadata, tags, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $8) RETURNING id";
    let inserted = store
        .sessions
        .query(statement)
        .bind(path.as_str())
        .bind(i64::from(version))
        .bind(&body.title)
        .bind(&body.media_type)
        .bind(&body.content)
        .bind(metadata)
        .bind(tags)
        .bind(at)
        .fetch_one(&mut *writing.work)
        .await?;
    writing.index(inserted.try_get("id")?, path, &body).await?;
    writing.note(path, true, at).await?;
    writing.commit().await?;
    Ok(Document { path: path.clone(), version, body, created_at: at, updated_at: at })
}

pub(super) async fn update(
    store: &PostgresStore,
    path: &DocumentPath,
    expected: u32,
    changes: Changes,
) -> Result<Document, StoreError> {
    let mut writing = Writing::begin(store, &[path]).await?;
    let (id, before) = writing.current(path, Some(expected)).await?;
    let listed = changes.listed();
    let reindexed = changes.title.is_some() || changes.content.is_some();
    let body = before.body.changed(changes);
    body.check(store.limits)?;
    let version = following(before.version)?;
    writing.keep_version(id).await?;
    let at = now();
    let (metadata, tags) = json(&body);
    let statement = "
        UPDATE documents SET version = $2, title = $3, media_type = $4, content = $5, metadata = $6::text::jsonb,
            tags = $7::text::jsonb, updated_at = $8
        WHERE id = $1";
    store
        .sessions
        .query(statement)
        .bind(id)
        .bind(i64::from(version))
        .bind(&body.title)
        .bind(&body.media_type)
        .bind(&body.content)
        .bind(metadata)
        .bind(tags)
        .bind(at)
        .execute(&mut *writing.work)
        .await?;
    if reindexed {
        writing.index(id, path, &body).await?;
    }
    writing.note(path, listed, at).await?;
    writing.commit().await?;
    Ok(Document { path: path.clone(), version, body, created_at: before.created_at, updated_at: at })
}

pub(super) async fn relocate(
    store: &PostgresStore,
    from: &DocumentPath,
    to: &DocumentPath,
    expected: Option<u32>,
) -> Result<Document, StoreError> {
    let mut writing = Writing::begin(store, &[from, to]).await?;
    let (id, before) = writing.current(from, expected).await?;
    if writing.taken(to).await? {
        return Err(StoreError::Exists(to.clone()));
    }
    let version = following(before.version.max(writing.retired(to).await?))?;
    writing.keep_version(id).await?;
    writing.retire(from, before.version).await?;
    let at = now();
    let statement = "UPDATE documents SET path = $2, version = $3, updated_at = $4 WHERE id = $1";
    let moving = store.sessions.query(statement).bind(id).bind(to.as_str()).bind(i64::from(version)).bind(at);
    moving.execute(&mut *writing.work).await?;
    writing.index(id, to, &before.body).await?;
    writing.note(from, true, at).await?;
    writing.note(to, true, at).await?;
    writing.commit().await?;
    Ok(Document { path: to.clone(), version, updated_at: at, ..before })
}

pub(super) async fn delete(
    store: &PostgresStore,
    path: &DocumentPath,
    expected: Option<u32>,
) -> Result<u32, StoreError> {
    let mut writing = Writing::begin(store, &[path]).await?;
    let (id, before) = writing.current(path, expected).await?;
    writing.retire(path, before.version).await?;
    store.sessions.query("DELETE FROM documents WHERE id = $1").bind(id).execute(&mut *writing.work).await?;
    writing.note(path, true, now()).await?;
    writing.commit().await?;
    Ok(before.version)
}
