//! Making the text index anew: one transaction, in steps, so that readers keep the old index until the new one is whole
//! and a rebuild that is dropped leaves nothing.

use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::write::begin;
use crate::storage::{Progress, StoreError};

/// Documents of one step.
const STEP: i64 = 100;

pub(super) async fn rebuild(pool: &SqlitePool, progress: Progress<'_>) -> Result<u64, StoreError> {
    let mut writing = begin(pool).await?;
    let total: i64 = sqlx::query("SELECT count(*) FROM documents").fetch_one(&mut *writing).await?.try_get(0)?;
    let total = u64::try_from(total).map_err(|_| StoreError::Corrupt("count"))?;
    sqlx::query("INSERT INTO documents_text (documents_text) VALUES ('delete-all')").execute(&mut *writing).await?;
    let (mut done, mut last) = (0, i64::MIN);
    progress(done, total);
    loop {
        let end: Option<i64> =
            sqlx::query("SELECT max(id) FROM (SELECT id FROM documents WHERE id > ?1 ORDER BY id LIMIT ?2)")
                .bind(last)
                .bind(STEP)
                .fetch_one(&mut *writing)
                .await?
                .try_get(0)?;
        let Some(end) = end else { break };
        let statement = "
            INSERT INTO documents_text (rowid, path, title, content)
            SELECT id, path, title, content FROM documents WHERE id > ?1 AND id <= ?2";
        let indexed = sqlx::query(statement).bind(last).bind(end).execute(&mut *writing).await?.rows_affected();
        last = end;
        done += indexed;
        progress(done, total);
    }
    writing.commit().await?;
    Ok(done)
}
