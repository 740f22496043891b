//! What the tables of prompts and of records ask of an engine: to run a statement within a transaction that the engine began.
//!
//! Statements are of the part of SQL that the engines share, with `$1` for what is bound.

use async_trait::async_trait;

use super::StoreError;

/// Whose SQL it is, where the engines share none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

/// What is bound to a statement.
#[derive(Debug, Clone, Copy)]
pub enum Bound<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(i64),
}

/// A row of every statement here that has any.
#[derive(Debug)]
pub struct Row {
    pub(super) name: String,
    version: i64,
    pub(super) body: Option<String>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

/// A transaction of an engine.
#[async_trait]
pub trait Rows: Send {
    /// Which engine it is.
    fn dialect(&self) -> Dialect;

    /// The rows of a statement.
    async fn fetch(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement without rows.
    async fn execute(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<(), StoreError>;
}

impl Row {
    /// Reads a row of either engine.
    pub(super) fn read<'r, R>(row: &'r R) -> Result<Self, sqlx::Error>
    where
        R: sqlx::Row,
        &'static str: sqlx::ColumnIndex<R>,
        String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
        i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    {
        Ok(Self {
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            body: row.try_get("body")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }

    /// The version that it has or had.
    pub(super) fn version(&self) -> Result<u32, StoreError> {
        u32::try_from(self.version).map_err(|_| StoreError::Corrupt("version"))
    }

    /// What the version's column holds where it is a count.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        u64::try_from(self.version).map_err(|_| StoreError::Corrupt("count"))
    }
}
