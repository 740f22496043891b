//! Making the text index anew: one transaction, in steps. Readers keep the old index until the new one is whole; writers
//! wait, and fail as unavailable after the 10 s of their statements; a rebuild that is dropped leaves nothing.

use sqlx::Row;

use super::write::Writing;
use super::{PostgresStore, rows};
use crate::storage::{Progress, StoreError};

/// Documents of one step.
const STEP: i64 = 100;

pub(super) async fn rebuild(store: &PostgresStore, progress: Progress<'_>) -> Result<u64, StoreError> {
    let mut writing = Writing::begin(store, &[]).await?;
    let sessions = &store.sessions;
    // A large index takes longer than a call may; what others hold is not waited for longer than any call waits.
    for setting in ["SET LOCAL lock_timeout = '10s'", "SET LOCAL statement_timeout = 0"] {
        sessions.query(setting).execute(&mut *writing.work).await?;
    }
    sessions.query("LOCK TABLE documents IN SHARE MODE").execute(&mut *writing.work).await?;
    let counting = sessions.query("SELECT count(*) FROM documents");
    let total: i64 = counting.fetch_one(&mut *writing.work).await?.try_get(0)?;
    let total = u64::try_from(total).map_err(|_| StoreError::Corrupt("count"))?;
    sessions.query("DELETE FROM documents_text").execute(&mut *writing.work).await?;
    let (mut done, mut last) = (0, i64::MIN);
    progress(done, total);
    loop {
        let statement = "
            SELECT id, path, version, title, media_type, content, metadata::text, tags::text, created_at, updated_at
            FROM documents WHERE id > $1 ORDER BY id LIMIT $2";
        let step = sessions.query(statement).bind(last).bind(STEP).fetch_all(&mut *writing.work).await?;
        if step.is_empty() {
            break;
        }
        for row in &step {
            let document = rows::document(row)?;
            last = row.try_get("id")?;
            writing.index(last, &document.path, &document.body).await?;
            done += 1;
        }
        progress(done, total);
    }
    writing.commit().await?;
    Ok(done)
}
