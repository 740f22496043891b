//! Records: transactions around what [`table`] does, and queries, which are broken off when they take too long.
//!
//! Queries have connections of their own, so that those of documents are never all held by them. A query's time is looked
//! at by the engine itself ([`Watch`]); it ends also with the call that it is for.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::SqliteStore;
use super::feed::note_record;
use super::write::begin;
use crate::storage::Page;
use crate::storage::record::aggregate::{Group, Grouping, Groups};
use crate::storage::record::page::{Filling, Found};
use crate::storage::record::query::Query;
use crate::storage::record::statement::{self, Given, Statement};
use crate::storage::record::{
    Change, Collection, CollectionName, QUERY_SECONDS_MAX, Record, RecordError, RecordName, RecordStore, table,
};
use crate::storage::statements::Dialect;

/// How long a query may take.
pub(super) const QUERY_TIME: Duration = Duration::from_secs(QUERY_SECONDS_MAX);

/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1_000;

/// SQLITE_INTERRUPT.
const INTERRUPTED: &str = "9";

/// Ends what it is there for when it is dropped.
struct Watch(Arc<AtomicBool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn slow(error: sqlx::Error) -> RecordError {
    let interrupted = error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == INTERRUPTED);
    match error {
        sqlx::Error::PoolTimedOut => RecordError::Slow,
        _ if interrupted => RecordError::Slow,
        error => error.into(),
    }
}

fn texts(row: &SqliteRow, columns: usize) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..columns).map(|column| row.try_get(column)).collect()
}

impl SqliteStore {
    /// Gives every row of a query, until it is enough or too long.
    async fn scan(
        &self,
        statement: Statement,
        mut take: impl FnMut(Vec<Option<String>>) -> Result<ControlFlow<()>, RecordError> + Send,
    ) -> Result<(), RecordError> {
        let deadline = Instant::now() + QUERY_TIME;
        let mut connection = self.querier.acquire().await.map_err(slow)?;
        let watch = Watch(Arc::default());
        let over = Arc::clone(&watch.0);
        let goes_on = move || !over.load(Ordering::SeqCst) && Instant::now() < deadline;
        // It is taken away when the connection is given back.
        connection.lock_handle().await?.set_progress_handler(STEPS, goes_on);
        let query = sqlx::query(AssertSqlSafe(statement.sql)).persistent(false);
        let query = statement.bound.into_iter().fold(query, |query, given| match given {
            Given::Text(text) => query.bind(text),
            Given::Number(number) => query.bind(number),
        });
        let mut rows = query.fetch(&mut *connection);
        while let Some(row) = rows.try_next().await.map_err(slow)? {
            if take(texts(&row, statement.columns)?)?.is_break() {
                break;
            }
        }
        drop(rows);
        drop(watch);
        Ok(())
    }
}

#[async_trait]
impl RecordStore for SqliteStore {
    async fn create_record(&self, name: &RecordName, body: Map<String, Value>) -> Result<Record, RecordError> {
        let mut writing = begin(&self.writer).await?;
        let created = table::create(&mut *writing, name, body).await?;
        note_record(&mut writing, &self.origin, name, created.updated_at).await?;
        writing.commit().await?;
        Ok(created)
    }

    async fn record(&self, name: &RecordName) -> Result<Record, RecordError> {
        table::read(&mut *self.reader.begin().await?, name).await
    }

    async fn update_record(&self, name: &RecordName, expected: u32, change: Change) -> Result<Record, RecordError> {
        let mut writing = begin(&self.writer).await?;
        let updated = table::update(&mut *writing, name, expected, change).await?;
        note_record(&mut writing, &self.origin, name, updated.updated_at).await?;
        writing.commit().await?;
        Ok(updated)
    }

    async fn delete_record(&self, name: &RecordName, expected: Option<u32>) -> Result<u32, RecordError> {
        let mut writing = begin(&self.writer).await?;
        let deleted = table::delete(&mut *writing, name, expected).await?;
        note_record(&mut writing, &self.origin, name, crate::storage::now()).await?;
        writing.commit().await?;
        Ok(deleted)
    }

    async fn query_records(&self, collection: &CollectionName, query: &Query) -> Result<Found, RecordError> {
        query.check()?;
        let mut page = Filling::new(collection, query);
        self.scan(statement::page(Dialect::Sqlite, collection, query), |row| page.take(row)).await?;
        Ok(page.finish())
    }

    async fn group_records(&self, collection: &CollectionName, grouping: &Grouping) -> Result<Vec<Group>, RecordError> {
        grouping.check()?;
        let mut groups = Groups::new(grouping);
        self.scan(statement::groups(Dialect::Sqlite, collection, grouping), |row| groups.take(row)).await?;
        Ok(groups.finish())
    }

    async fn collections(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<Collection>, RecordError> {
        table::collections(&mut *self.reader.begin().await?, prefix, after, limit).await
    }

    async fn record_ids(
        &self,
        collection: &CollectionName,
        prefix: &str,
        limit: u32,
    ) -> Result<Page<String>, RecordError> {
        table::ids(&mut *self.reader.begin().await?, collection, prefix, limit).await
    }
}
