//! Records: transactions around what [`table`] does, and queries, which the database breaks off when they take too long.

use std::ops::ControlFlow;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::feed::note_record;
use super::{PostgresStore, bounded};
use crate::storage::Page;
use crate::storage::record::aggregate::{Group, Grouping, Groups};
use crate::storage::record::page::{Filling, Found};
use crate::storage::record::query::Query;
use crate::storage::record::statement::{self, Given, Statement};
use crate::storage::record::{Change, Collection, CollectionName, Record, RecordError, RecordName, RecordStore, table};
use crate::storage::statements::Dialect;

/// Queries at the same time; less than there are connections.
pub(super) const QUERIES: usize = 4;

/// As [`QUERY_SECONDS_MAX`](crate::storage::record::QUERY_SECONDS_MAX) says. Of the transaction only.
const TIME: &str = "SET LOCAL statement_timeout = '5s'";

/// query_canceled.
const CANCELLED: &str = "57014";

fn slow(error: sqlx::Error) -> RecordError {
    let cancelled = error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == CANCELLED);
    if cancelled { RecordError::Slow } else { error.into() }
}

fn texts(row: &PgRow, columns: usize) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..columns).map(|column| row.try_get(column)).collect()
}

impl PostgresStore {
    /// Gives every row of a query, until it is enough or too long.
    async fn scan(
        &self,
        statement: Statement,
        take: impl FnMut(Vec<Option<String>>) -> Result<ControlFlow<()>, RecordError> + Send,
    ) -> Result<(), RecordError> {
        let waited = tokio::time::timeout(super::PATIENCE, self.queries.acquire()).await;
        let Ok(Ok(_turn)) = waited else { return Err(RecordError::Slow) };
        bounded(self.run(statement, take)).await
    }

    async fn run(
        &self,
        statement: Statement,
        mut take: impl FnMut(Vec<Option<String>>) -> Result<ControlFlow<()>, RecordError> + Send,
    ) -> Result<(), RecordError> {
        let mut work = self.sessions.reading().await?;
        work.execute(TIME).await?;
        // Its form is the caller's, so it is not worth to be kept prepared.
        let query = sqlx::query(AssertSqlSafe(statement.sql)).persistent(false);
        let query = statement.bound.into_iter().fold(query, |query, given| match given {
            Given::Text(text) => query.bind(text),
            Given::Number(number) => query.bind(number),
        });
        let mut rows = query.fetch(&mut *work);
        while let Some(row) = rows.try_next().await.map_err(slow)? {
            if take(texts(&row, statement.columns)?)?.is_break() {
                break;
            }
        }
        drop(rows);
        Ok(work.commit().await?)
    }
}

#[async_trait]
impl RecordStore for PostgresStore {
    async fn create_record(&self, name: &RecordName, body: Map<String, Value>) -> Result<Record, RecordError> {
        bounded(async {
            let mut work = self.sessions.writing().await?;
            let created = table::create(&mut self.tables_in(&mut work), name, body).await?;
            note_record(&self.sessions, &mut work, &self.origin, name, created.updated_at).await?;
            work.commit().await?;
            Ok(created)
        })
        .await
    }

    async fn record(&self, name: &RecordName) -> Result<Record, RecordError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let read = table::read(&mut self.tables_in(&mut work), name).await?;
            work.commit().await?;
            Ok(read)
        })
        .await
    }

    async fn update_record(&self, name: &RecordName, expected: u32, change: Change) -> Result<Record, RecordError> {
        bounded(async {
            let mut work = self.sessions.writing().await?;
            let updated = table::update(&mut self.tables_in(&mut work), name, expected, change).await?;
            note_record(&self.sessions, &mut work, &self.origin, name, updated.updated_at).await?;
            work.commit().await?;
            Ok(updated)
        })
        .await
    }

    async fn delete_record(&self, name: &RecordName, expected: Option<u32>) -> Result<u32, RecordError> {
        bounded(async {
            let mut work = self.sessions.writing().await?;
            let deleted = table::delete(&mut self.tables_in(&mut work), name, expected).await?;
            note_record(&self.sessions, &mut work, &self.origin, name, crate::storage::now()).await?;
            work.commit().await?;
            Ok(deleted)
        })
        .await
    }

    async fn query_records(&self, collection: &CollectionName, query: &Query) -> Result<Found, RecordError> {
        query.check()?;
        let mut page = Filling::new(collection, query);
        self.scan(statement::page(Dialect::Postgres, collection, query), |row| page.take(row)).await?;
        Ok(page.finish())
    }

    async fn group_records(&self, collection: &CollectionName, grouping: &Grouping) -> Result<Vec<Group>, RecordError> {
        grouping.check()?;
        let mut groups = Groups::new(grouping);
        self.scan(statement::groups(Dialect::Postgres, collection, grouping), |row| groups.take(row)).await?;
        Ok(groups.finish())
    }

    async fn collections(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<Collection>, RecordError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let listed = table::collections(&mut self.tables_in(&mut work), prefix, after, limit).await?;
            work.commit().await?;
            Ok(listed)
        })
        .await
    }

    async fn record_ids(
        &self,
        collection: &CollectionName,
        prefix: &str,
        limit: u32,
    ) -> Result<Page<String>, RecordError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let listed = table::ids(&mut self.tables_in(&mut work), collection, prefix, limit).await?;
            work.commit().await?;
            Ok(listed)
        })
        .await
    }
}
