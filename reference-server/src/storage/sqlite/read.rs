//! Reading: a document, a list, a history.

use sqlx::sqlite::SqlitePool;

use super::rows::{self, Bound};
use crate::storage::{Document, DocumentPath, Filter, Page, Revision, StoreError, Summary};

/// A page of the list.
pub(super) const LIST: &str = "
    SELECT path, version, title, media_type, octet_length(content) AS size, tags, updated_at
    FROM documents
    WHERE path >= ?1 AND path < ?2 AND path > ?3 AND (?5 IS NULL OR media_type = ?5)
        AND NOT EXISTS (
            SELECT 1 FROM json_each(?4) AS wanted
            WHERE wanted.value NOT IN (SELECT value FROM json_each(documents.tags))
        )
    ORDER BY path LIMIT ?6";

pub(super) async fn document(
    pool: &SqlitePool,
    path: &DocumentPath,
    version: Option<u32>,
) -> Result<Document, StoreError> {
    // One statement for both tables, so that no writer comes between.
    let statement = "
        SELECT path, version, title, media_type, content, metadata, tags, created_at, updated_at
        FROM documents WHERE path = ?1 AND (?2 IS NULL OR version = ?2)
        UNION ALL
        SELECT earlier.path, earlier.version, earlier.title, earlier.media_type, earlier.content, earlier.metadata,
            earlier.tags, documents.created_at, earlier.updated_at
        FROM documents JOIN document_versions AS earlier ON earlier.document_id = documents.id
        WHERE documents.path = ?1 AND earlier.version = ?2";
    let row = sqlx::query(statement).bind(path.as_str()).bind(version).fetch_optional(pool).await?;
    match (row, version) {
        (Some(row), _) => rows::document(&row),
        (None, Some(version)) if exists(pool, path).await? => {
            Err(StoreError::NoVersion { path: path.clone(), version })
        }
        (None, _) => Err(StoreError::NotFound(path.clone())),
    }
}

async fn exists(pool: &SqlitePool, path: &DocumentPath) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT 1 FROM documents WHERE path = ?1").bind(path.as_str());
    Ok(found.fetch_optional(pool).await?.is_some())
}

pub(super) async fn list(
    pool: &SqlitePool,
    filter: &Filter,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<Summary>, StoreError> {
    let bound = Bound::new(filter);
    let found = sqlx::query(LIST)
        .bind(bound.from)
        .bind(bound.below)
        .bind(after.unwrap_or_default())
        .bind(bound.tags)
        .bind(bound.media_type)
        .bind(i64::from(limit) + 1)
        .fetch_all(pool)
        .await?;
    Ok(Page::cut(found.iter().map(rows::summary).collect::<Result<_, _>>()?, limit))
}

pub(super) async fn history(
    pool: &SqlitePool,
    path: &DocumentPath,
    before: Option<u32>,
    limit: u32,
) -> Result<Page<Revision>, StoreError> {
    let statement = "
        SELECT path, version, title, octet_length(content) AS size, updated_at
        FROM documents WHERE path = ?1 AND version < ?2
        UNION ALL
        SELECT earlier.path, earlier.version, earlier.title, octet_length(earlier.content), earlier.updated_at
        FROM documents JOIN document_versions AS earlier ON earlier.document_id = documents.id
        WHERE documents.path = ?1 AND earlier.version < ?2
        ORDER BY version DESC LIMIT ?3";
    let found = sqlx::query(statement)
        .bind(path.as_str())
        .bind(before.map_or(i64::MAX, i64::from))
        .bind(i64::from(limit) + 1)
        .fetch_all(pool)
        .await?;
    if found.is_empty() && !exists(pool, path).await? {
        return Err(StoreError::NotFound(path.clone()));
    }
    Ok(Page::cut(found.iter().map(rows::revision).collect::<Result<_, _>>()?, limit))
}
