//! What other processes changed in the same file, looked for at intervals.
//!
//! SQLite's writers take turns, so `seq` grows in the order of the commits.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use sqlx::Row;

use super::SqliteStore;
use crate::storage::feed::{ChangeFeed, KEPT, News, POLL, SWEEP};
use crate::storage::record::RecordName;
use crate::storage::{DocumentPath, StoreError, now};

#[derive(Debug)]
pub(super) struct SqliteFeed {
    store: SqliteStore,
    seen: i64,
    swept: Instant,
}

impl SqliteFeed {
    pub(super) async fn open(store: &SqliteStore) -> Result<Self, StoreError> {
        let last = sqlx::query("SELECT coalesce(max(seq), 0) AS seq FROM changes").fetch_one(&store.reader).await?;
        let mut feed = Self { store: store.clone(), seen: last.try_get("seq")?, swept: Instant::now() };
        feed.sweep().await?;
        Ok(feed)
    }

    async fn look(&mut self) -> Result<News, StoreError> {
        let statement = "SELECT seq, kind, path, listed, origin FROM changes WHERE seq > ?1 ORDER BY seq";
        let rows = sqlx::query(statement).bind(self.seen).fetch_all(&self.store.reader).await?;
        let mut changes = News::default();
        for row in rows {
            self.seen = row.try_get("seq")?;
            if row.try_get::<&str, _>("origin")? != &*self.store.origin {
                changes.add(row.try_get("kind")?, row.try_get("path")?, row.try_get("listed")?);
            }
        }
        Ok(changes)
    }

    async fn sweep(&mut self) -> Result<(), StoreError> {
        self.swept = Instant::now();
        sqlx::query("DELETE FROM changes WHERE at < ?1").bind(before(KEPT)).execute(&self.store.writer).await?;
        Ok(())
    }
}

/// A moment this long ago, in milliseconds since 1970.
fn before(ago: Duration) -> i64 {
    let then = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(ago);
    i64::try_from(then.as_millis()).unwrap_or(i64::MAX)
}

/// Notes a change, in its transaction.
pub(super) async fn note(
    work: &mut sqlx::SqliteConnection,
    origin: &str,
    path: &DocumentPath,
    listed: bool,
    at: i64,
) -> Result<(), StoreError> {
    let statement = "INSERT INTO changes (path, listed, origin, at) VALUES (?1, ?2, ?3, ?4)";
    sqlx::query(statement).bind(path.as_str()).bind(listed).bind(origin).bind(at).execute(work).await?;
    Ok(())
}

/// Notes that a prompt was changed, in its transaction.
pub(super) async fn note_prompts(work: &mut sqlx::SqliteConnection, origin: &str) -> Result<(), StoreError> {
    let statement = "INSERT INTO changes (kind, path, listed, origin, at) VALUES ('prompt', 'prompts', 1, ?1, ?2)";
    sqlx::query(statement).bind(origin).bind(now()).execute(work).await?;
    Ok(())
}

/// Notes that a record was changed, in its transaction.
pub(super) async fn note_record(
    work: &mut sqlx::SqliteConnection,
    origin: &str,
    name: &RecordName,
    at: i64,
) -> Result<(), StoreError> {
    let statement = "INSERT INTO changes (kind, path, listed, origin, at) VALUES ('record', ?1, 0, ?2, ?3)";
    sqlx::query(statement).bind(name.to_string()).bind(origin).bind(at).execute(work).await?;
    Ok(())
}

#[async_trait]
impl ChangeFeed for SqliteFeed {
    async fn next(&mut self) -> Result<News, StoreError> {
        loop {
            let changes = self.look().await?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            tokio::time::sleep(POLL).await;
            if self.swept.elapsed() > SWEEP {
                self.sweep().await?;
            }
        }
    }
}
