//! Everything out, as one moment had it, and into an empty database.

use futures_util::TryStreamExt;
use sqlx::Row;
use tokio::sync::mpsc::Receiver;

use super::write::{Writing, begin, json, retire};
use super::{SqliteStore, rows};
use crate::storage::backup::{BackupError, Record, Records};
use crate::storage::prompt::table;
use crate::storage::record::table as records_table;
use crate::storage::{Document, DocumentPath, StoreError};

pub(super) async fn dump(store: &SqliteStore, records: Records) -> Result<(), BackupError> {
    // The first statement fixes the moment that all of them see.
    let mut work = store.reader.begin().await?;
    let ids = sqlx::query("SELECT id FROM documents ORDER BY path").fetch_all(&mut *work).await?;
    for row in ids {
        let id: i64 = row.try_get("id")?;
        let statement = "
            SELECT path, version, title, media_type, content, metadata, tags, created_at, updated_at
            FROM documents WHERE id = ?1";
        let document = rows::document(&sqlx::query(statement).bind(id).fetch_one(&mut *work).await?)?;
        let created_at = document.created_at;
        give(&records, Record::Document(document)).await?;
        let statement = "
            SELECT path, version, title, media_type, content, metadata, tags, ?2 AS created_at, updated_at
            FROM document_versions WHERE document_id = ?1 ORDER BY version";
        let mut earlier = sqlx::query(statement).bind(id).bind(created_at).fetch(&mut *work);
        while let Some(row) = earlier.try_next().await? {
            give(&records, Record::Earlier(rows::document(&row)?)).await?;
        }
    }
    let mut retired = sqlx::query("SELECT path, version FROM retired_versions ORDER BY path").fetch(&mut *work);
    while let Some(row) = retired.try_next().await? {
        let path = DocumentPath::parse(row.try_get("path")?).map_err(|_| StoreError::Corrupt("path"))?;
        give(&records, Record::Retired(path, rows::version(&row)?)).await?;
    }
    drop(retired);
    table::dump(&mut *work, &records).await?;
    records_table::dump(&mut *work, &records).await?;
    give(&records, Record::End).await
}

async fn give(records: &Records, record: Record) -> Result<(), BackupError> {
    records.send(record).await.map_err(|_| BackupError::Stopped)
}

pub(super) async fn load(store: &SqliteStore, mut records: Receiver<Record>) -> Result<(), BackupError> {
    let mut writing = begin(&store.writer).await?;
    let statement = "SELECT EXISTS (SELECT 1 FROM documents) OR EXISTS (SELECT 1 FROM retired_versions) AS used";
    if sqlx::query(statement).fetch_one(&mut *writing).await?.try_get("used")? {
        return Err(BackupError::NotEmpty);
    }
    if table::used(&mut *writing).await? || records_table::used(&mut *writing).await? {
        return Err(BackupError::NotEmpty);
    }
    let mut id = 0;
    loop {
        match records.recv().await.ok_or(BackupError::Stopped)? {
            Record::Document(document) => id = put(&mut writing, &document).await?,
            Record::Earlier(document) => put_earlier(&mut writing, id, &document).await?,
            Record::Retired(path, version) => retire(&mut writing, &path, version).await?,
            Record::Prompt(prompt) => table::put(&mut *writing, &prompt).await?,
            Record::EarlierPrompt(prompt) => table::put_earlier(&mut *writing, &prompt).await?,
            Record::RetiredPrompt(name, version) => table::put_retired(&mut *writing, &name, version).await?,
            Record::Structured(record) => records_table::put(&mut *writing, &record).await?,
            Record::RetiredStructured(name, version) => {
                records_table::put_retired(&mut *writing, &name, version).await?
            }
            Record::End => break,
        }
    }
    Ok(writing.commit().await?)
}

async fn put(writing: &mut Writing, document: &Document) -> Result<i64, StoreError> {
    let (metadata, tags) = json(&document.body);
    let statement = "
        INSERT INTO documents (path, version, title, media_type, content, metadata, tags, created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let put = sqlx::query(statement)
        .bind(document.path.as_str())
        .bind(document.version)
        .bind(&document.body.title)
        .bind(&document.body.media_type)
        .bind(&document.body.content)
        .bind(metadata)
        .bind(tags)
        .bind(document.created_at)
        .bind(document.updated_at)
        .execute(&mut **writing)
        .await?;
    Ok(put.last_insert_rowid())
}

async fn put_earlier(writing: &mut Writing, id: i64, document: &Document) -> Result<(), StoreError> {
    let (metadata, tags) = json(&document.body);
    let statement = "
        INSERT INTO document_versions
            (document_id, version, path, title, media_type, content, metadata, tags, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    sqlx::query(statement)
        .bind(id)
        .bind(document.version)
        .bind(document.path.as_str())
        .bind(&document.body.title)
        .bind(&document.body.media_type)
        .bind(&document.body.content)
        .bind(metadata)
        .bind(tags)
        .bind(document.updated_at)
        .execute(&mut **writing)
        .await?;
    Ok(())
}
