//! Reading: a document, a list, a history.

use super::rows::{self, Bound};
use super::session::{Sessions, Work};
use crate::storage::{Document, DocumentPath, Filter, Page, Revision, StoreError, Summary};

pub(super) async fn document(
    sessions: &Sessions,
    path: &DocumentPath,
    version: Option<u32>,
) -> Result<Document, StoreError> {
    let statement = "
        SELECT path, version, title, media_type, content, metadata::text, tags::text, created_at, updated_at
        FROM documents WHERE path = $1 AND ($2::bigint IS NULL OR version = $2)
        UNION ALL
        SELECT earlier.path, earlier.version, earlier.title, earlier.media_type, earlier.content,
            earlier.metadata::text, earlier.tags::text, documents.created_at, earlier.updated_at
        FROM documents JOIN document_versions AS earlier ON earlier.document_id = documents.id
        WHERE documents.path = $1 AND earlier.version = $2";
    let mut work = sessions.reading().await?;
    let wanted = sessions.query(statement).bind(path.as_str()).bind(version.map(i64::from));
    let row = wanted.fetch_optional(&mut *work).await?;
    let read = match (row, version) {
        (Some(row), _) => rows::document(&row),
        (None, Some(version)) if exists(sessions, &mut work, path).await? => {
            Err(StoreError::NoVersion { path: path.clone(), version })
        }
        (None, _) => Err(StoreError::NotFound(path.clone())),
    };
    work.commit().await?;
    read
}

async fn exists(sessions: &Sessions, work: &mut Work, path: &DocumentPath) -> Result<bool, StoreError> {
    let found = sessions.query("SELECT 1 FROM documents WHERE path = $1").bind(path.as_str());
    Ok(found.fetch_optional(&mut **work).await?.is_some())
}

pub(super) async fn list(
    sessions: &Sessions,
    filter: &Filter,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<Summary>, StoreError> {
    let statement = "
        SELECT path, version, title, media_type, octet_length(content)::bigint AS size, tags::text, updated_at
        FROM documents
        WHERE path >= $1 AND path < $2 AND path > $3 AND ($5::text IS NULL OR media_type = $5)
            AND tags @> $4::text::jsonb
        ORDER BY path LIMIT $6";
    let Some(bound) = Bound::new(filter) else { return Ok(Page::cut(vec![], limit)) };
    let mut work = sessions.reading().await?;
    let found = sessions
        .query(statement)
        .bind(bound.from)
        .bind(bound.below)
        .bind(after.unwrap_or_default())
        .bind(bound.tags)
        .bind(bound.media_type)
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *work)
        .await?;
    work.commit().await?;
    Ok(Page::cut(found.iter().map(rows::summary).collect::<Result<_, _>>()?, limit))
}

pub(super) async fn history(
    sessions: &Sessions,
    path: &DocumentPath,
    before: Option<u32>,
    limit: u32,
) -> Result<Page<Revision>, StoreError> {
    let statement = "
        SELECT path, version, title, octet_length(content)::bigint AS size, updated_at
        FROM documents WHERE path = $1 AND version < $2
        UNION ALL
        SELECT earlier.path, earlier.version, earlier.title, octet_length(earlier.content)::bigint, earlier.updated_at
        FROM documents JOIN document_versions AS earlier ON earlier.document_id = documents.id
        WHERE documents.path = $1 AND earlier.version < $2
        ORDER BY version DESC LIMIT $3";
    let mut work = sessions.reading().await?;
    let found = sessions
        .query(statement)
        .bind(path.as_str())
        .bind(before.map_or(i64::MAX, i64::from))
        .bind(i64::from(limit) + 1)
        .fetch_all(&mut *work)
        .await?;
    if found.is_empty() && !exists(sessions, &mut work, path).await? {
        return Err(StoreError::NotFound(path.clone()));
    }
    work.commit().await?;
    Ok(Page::cut(found.iter().map(rows::revision).collect::<Result<_, _>>()?, limit))
}
