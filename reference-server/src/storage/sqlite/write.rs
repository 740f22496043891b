//! Changing: each function is one transaction that has the write lock from its first statement.

use serde_json::Value;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::feed::note;
use super::{SqliteStore, rows};
use crate::storage::{Body, Changes, Document, DocumentPath, StoreError, now};

pub(super) type Writing = Transaction<'static, Sqlite>;

pub(super) async fn begin(pool: &SqlitePool) -> Result<Writing, StoreError> {
    Ok(pool.begin_with("BEGIN IMMEDIATE").await?)
}

pub(super) fn json(body: &Body) -> (String, String) {
    let tags = body.tags.iter().map(String::as_str).collect::<Value>();
    (Value::Object(body.metadata.clone()).to_string(), tags.to_string())
}

fn following(version: u32) -> Result<u32, StoreError> {
    version.checked_add(1).ok_or(StoreError::Corrupt("version"))
}

/// The last version that an earlier document had at this path; 0 without one.
async fn retired(writing: &mut Writing, path: &DocumentPath) -> Result<u32, StoreError> {
    let statement = "SELECT version FROM retired_versions WHERE path = ?1";
    let row = sqlx::query(statement).bind(path.as_str()).fetch_optional(&mut **writing).await?;
    row.as_ref().map_or(Ok(0), rows::version)
}

pub(super) async fn retire(writing: &mut Writing, path: &DocumentPath, version: u32) -> Result<(), StoreError> {
    let statement = "
        INSERT INTO retired_versions (path, version) VALUES (?1, ?2)
        ON CONFLICT (path) DO UPDATE SET version = max(version, excluded.version)";
    sqlx::query(statement).bind(path.as_str()).bind(version).execute(&mut **writing).await?;
    Ok(())
}

/// The current row of a document, held to the version that the writer expects.
async fn current(
    writing: &mut Writing,
    path: &DocumentPath,
    expected: Option<u32>,
) -> Result<(i64, Document), StoreError> {
    let statement = "
        SELECT id, path, version, title, media_type, content, metadata, tags, created_at, updated_at
        FROM documents WHERE path = ?1";
    let row: Option<SqliteRow> = sqlx::query(statement).bind(path.as_str()).fetch_optional(&mut **writing).await?;
    let row = row.ok_or_else(|| StoreError::NotFound(path.clone()))?;
    let document = rows::document(&row)?;
    match expected {
        Some(expected) if expected != document.version => {
            Err(StoreError::Conflict { path: path.clone(), expected, current: document.version })
        }
        _ => Ok((row.try_get("id")?, document)),
    }
}

async fn keep_version(writing: &mut Writing, id: i64) -> Result<(), StoreError> {
    let statement = "
        INSERT INTO document_versions
            (document_id, version, path, title, media_type, content, metadata, tags, updated_at)
        SELECT id, version, path, title, media_type, content, metadata, tags, updated_at FROM documents WHERE id = ?1";
    sqlx::query(statement).bind(id).execute(&mut **writing).await?;
    Ok(())
}

pub(super) async fn create(store: &SqliteStore, path: &DocumentPath, body: Body) -> Result<Document, StoreError> {
    let mut writing = begin(&store.writer).await?;
    let version = following(retired(&mut writing, path).await?)?;
    let at = now();
    let (metadata, tags) = json(&body);
    let statement = "
        INSERT INTO documents (path, version, title, media_type, content, metadata, tags, created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT (path) DO NOTHING";
    let inserted = sqlx::query(statement)
        .bind(path.as_str())
        .bind(version)
        .bind(&body.title)
        .bind(&body.media_type)
        .bind(&body.content)
        .bind(metadata)
        .bind(tags)
        .bind(at)
        .execute(&mut *writing)
        .await?;
    if inserted.rows_affected() == 0 {
        return Err(StoreError::Exists(path.clone()));
    }
    note(&mut writing, &store.origin, path, true, at).await?;
    writing.commit().await?;
    Ok(Document { path: path.clone(), version, body, created_at: at, updated_at: at })
}

pub(super) async fn update(
    store: &SqliteStore,
    path: &DocumentPath,
    expected: u32,
    changes: Changes,
) -> Result<Document, StoreError> {
    let mut writing = begin(&store.writer).await?;
    let (id, before) = current(&mut writing, path, Some(expected)).await?;
    let listed = changes.listed();
    let body = before.body.changed(changes);
    body.check(store.limits)?;
    let version = following(before.version)?;
    keep_version(&mut writing, id).await?;
    let at = now();
    let (metadata, tags) = json(&body);
    let statement = "
        UPDATE documents SET version = ?2, title = ?3, media_type = ?4, content = ?5, metadata = ?6, tags = ?7,
            updated_at = ?8
        WHERE id = ?1";
    sqlx::query(statement)
        .bind(id)
        .bind(version)
        .bind(&body.title)
        .bind(&body.media_type)
        .bind(&body.content)
        .bind(metadata)
        .bind(tags)
        .bind(at)
        .execute(&mut *writing)
        .await?;
    note(&mut writing, &store.origin, path, listed, at).await?;
    writing.commit().await?;
    Ok(Document { path: path.clone(), version, body, created_at: before.created_at, updated_at: at })
}

pub(super) async fn relocate(
    store: &SqliteStore,
    from: &DocumentPath,
    to: &DocumentPath,
    expected: Option<u32>,
) -> Result<Document, StoreError> {
    let mut writing = begin(&store.writer).await?;
    let (id, before) = current(&mut writing, from, expected).await?;
    let taken = sqlx::query("SELECT 1 FROM documents WHERE path = ?1").bind(to.as_str());
    if taken.fetch_optional(&mut *writing).await?.is_some() {
        return Err(StoreError::Exists(to.clone()));
    }
    let version = following(before.version.max(retired(&mut writing, to).await?))?;
    keep_version(&mut writing, id).await?;
    retire(&mut writing, from, before.version).await?;
    let at = now();
    let statement = "UPDATE documents SET path = ?2, version = ?3, updated_at = ?4 WHERE id = ?1";
    sqlx::query(statement).bind(id).bind(to.as_str()).bind(version).bind(at).execute(&mut *writing).await?;
    note(&mut writing, &store.origin, from, true, at).await?;
    note(&mut writing, &store.origin, to, true, at).await?;
    writing.commit().await?;
    Ok(Document { path: to.clone(), version, updated_at: at, ..before })
}

pub(super) async fn delete(store: &SqliteStore, path: &DocumentPath, expected: Option<u32>) -> Result<u32, StoreError> {
    let mut writing = begin(&store.writer).await?;
    let (id, before) = current(&mut writing, path, expected).await?;
    retire(&mut writing, path, before.version).await?;
    sqlx::query("DELETE FROM documents WHERE id = ?1").bind(id).execute(&mut *writing).await?;
    note(&mut writing, &store.origin, path, true, now()).await?;
    writing.commit().await?;
    Ok(before.version)
}
