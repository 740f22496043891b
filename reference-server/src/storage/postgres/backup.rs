//! Everything out, as one moment had it, and into an empty database.

use futures_util::TryStreamExt;
use sqlx::Row;
use tokio::sync::mpsc::Receiver;

use super::write::{Writing, json};
use super::{PostgresStore, rows};
use crate::storage::backup::{BackupError, Record, Records};
use crate::storage::prompt::table;
use crate::storage::record::table as records_table;
use crate::storage::{Document, DocumentPath, StoreError};

pub(super) async fn dump(store: &PostgresStore, records: Records) -> Result<(), BackupError> {
    let sessions = &store.sessions;
    let mut work = sessions.reading().await?;
    let ids = sessions.query("SELECT id FROM documents ORDER BY path").fetch_all(&mut *work).await?;
    for row in ids {
        let id: i64 = row.try_get("id")?;
        let statement = "
            SELECT path, version, title, media_type, content, metadata::text, tags::text, created_at, updated_at
            FROM documents WHERE id = $1";
        let document = rows::document(&sessions.query(statement).bind(id).fetch_one(&mut *work).await?)?;
        let created_at = document.created_at;
        give(&records, Record::Document(document)).await?;
        let statement = "
            SELECT path, version, title, media_type, content, metadata::text, tags::text,
                $2::bigint AS created_at, updated_at
            FROM document_versions WHERE document_id = $1 ORDER BY version";
        let mut earlier = sessions.query(statement).bind(id).bind(created_at).fetch(&mut *work);
        while let Some(row) = earlier.try_next().await? {
            give(&records, Record::Earlier(rows::document(&row)?)).await?;
        }
    }
    let retired = sessions.query("SELECT path, version FROM retired_versions ORDER BY path");
    let mut retired = retired.fetch(&mut *work);
    while let Some(row) = retired.try_next().await? {
        let path = DocumentPath::parse(row.try_get("path")?).map_err(|_| StoreError::Corrupt("path"))?;
        give(&records, Record::Retired(path, rows::version(&row)?)).await?;
    }
    drop(retired);
    table::dump(&mut store.tables_in(&mut work), &records).await?;
    records_table::dump(&mut store.tables_in(&mut work), &records).await?;
    give(&records, Record::End).await
}

async fn give(records: &Records, record: Record) -> Result<(), BackupError> {
    records.send(record).await.map_err(|_| BackupError::Stopped)
}

pub(super) async fn load(store: &PostgresStore, mut records: Receiver<Record>) -> Result<(), BackupError> {
    let mut writing = Writing::begin(store, &[]).await?;
    // Nobody writes meanwhile, and whoever was about to is waited for.
    store
        .sessions
        .query("LOCK TABLE documents, retired_versions, prompts, records IN EXCLUSIVE MODE")
        .execute(&mut *writing.work)
        .await?;
    let statement = "SELECT EXISTS (SELECT FROM documents) OR EXISTS (SELECT FROM retired_versions) AS used";
    if store.sessions.query(statement).fetch_one(&mut *writing.work).await?.try_get("used")? {
        return Err(BackupError::NotEmpty);
    }
    let mut tables = store.tables_in(&mut writing.work);
    if table::used(&mut tables).await? || records_table::used(&mut tables).await? {
        return Err(BackupError::NotEmpty);
    }
    let mut id = 0;
    loop {
        match records.recv().await.ok_or(BackupError::Stopped)? {
            Record::Document(document) => id = put(&mut writing, &document).await?,
            Record::Earlier(document) => put_earlier(&mut writing, id, &document).await?,
            Record::Retired(path, version) => writing.retire(&path, version).await?,
            Record::Prompt(prompt) => table::put(&mut store.tables_in(&mut writing.work), &prompt).await?,
            Record::EarlierPrompt(prompt) => {
                table::put_earlier(&mut store.tables_in(&mut writing.work), &prompt).await?
            }
            Record::RetiredPrompt(name, version) => {
                table::put_retired(&mut store.tables_in(&mut writing.work), &name, version).await?
            }
            Record::Structured(record) => records_table::put(&mut store.tables_in(&mut writing.work), &record).await?,
            Record::RetiredStructured(name, version) => {
                records_table::put_retired(&mut store.tables_in(&mut writing.work), &name, version).await?
            }
            Record::End => break,
        }
    }
    Ok(writing.commit().await?)
}

async fn put(writing: &mut Writing<'_>, document: &Document) -> Result<i64, StoreError> {
    let (metadata, tags) = json(&document.body);
    let statement = "
        INSERT INTO documents (path, version, title, media_type, content, metadata, tags, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $9) RETURNING id";
    let put = writing
        .sessions
        .query(statement)
        .bind(document.path.as_str())
        .bind(i64::from(document.version))
        .bind(&document.body.title)
        .bind(&document.body.media_type)
        .bind(&document.body.content)
        .bind(metadata)
        .bind(tags)
        .bind(document.created_at)
        .bind(document.updated_at)
        .fetch_one(&mut *writing.work)
        .await?;
    let id = put.try_get("id")?;
    writing.index(id, &document.path, &document.body).await?;
    Ok(id)
}

async fn put_earlier(writing: &mut Writing<'_>, id: i64, document: &Document) -> Result<(), StoreError> {
    let (metadata, tags) = json(&document.body);
    let statement = "
        INSERT INTO document_versions
            (document_id, version, path, title, media_type, content, metadata, tags, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb, $9)";
    let put = writing
        .sessions
        .query(statement)
        .bind(id)
        .bind(i64::from(document.version))
        .bind(document.path.as_str())
        .bind(&document.body.title)
        .bind(&document.body.media_type)
        .bind(&document.body.content)
        .bind(metadata)
        .bind(tags)
        .bind(document.updated_at);
    put.execute(&mut *writing.work).await?;
    Ok(())
}
