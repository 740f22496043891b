//! Structured records: JSON objects in collections, their store beside the documents', and queries over them.
//!
//! In: checked names, bodies and queries. Out: records, pages and groups of them. Refusals: [`RecordError`].
//! Invariants, for every engine: a change is there as a whole or not at all, and names the version that it was made from; a
//! name and a version mean one body forever, also after a deletion; earlier versions are not kept. A query gives the
//! same answer on every engine: [`keys`] makes a text of each value that compares as the value does, and an engine
//! compares nothing but those. Nothing that a caller gave is part of a statement; [`statement`] binds it.
//! [`table`] does the changes once, on the few statements that an engine runs for it.

pub mod aggregate;
mod body;
pub mod keys;
mod name;
pub mod page;
pub mod query;
pub mod statement;
pub mod table;

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

use aggregate::{Group, Grouping};
pub(crate) use body::check;
pub use body::{Change, InvalidRecord};
pub use name::{CollectionName, RecordName};
use page::Found;
use query::{InvalidQuery, Query};

use super::{Page, StoreError};

/// How long a query may take in the store, in seconds.
pub const QUERY_SECONDS_MAX: u64 = 5;

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its collection and id.
    pub name: RecordName,
    /// Counts up with every change.
    pub version: u32,
    /// What its writer gave.
    pub body: Map<String, Value>,
    /// When it was created, in milliseconds since 1970.
    pub created_at: i64,
    /// When this version was written.
    pub updated_at: i64,
}

/// A collection with records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its name.
    pub name: CollectionName,
    /// How many records it has.
    pub records: u64,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No such record.
    #[error("no record {0}")]
    NotFound(RecordName),
    /// There is one of this id already.
    #[error("a record {0} exists already; name its version to change it")]
    Exists(RecordName),
    /// Someone else was faster.
    #[error("{name} is at version {current}, not at the expected {expected}; read it again and decide anew")]
    Conflict {
        /// The record.
        name: RecordName,
        /// What the writer took for the current version.
        expected: u32,
        /// What it is.
        current: u32,
    },
    /// The record would break a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidRecord),
    /// The query breaks a limit.
    #[error(transparent)]
    Query(#[from] InvalidQuery),
    /// The answer would.
    #[error(
        "the query makes more than {} groups, or their values more than {} bytes",
        aggregate::GROUPS_MAX,
        aggregate::GROUP_BYTES_MAX
    )]
    Groups,
    /// It would hold the store too long.
    #[error("the query took more than {QUERY_SECONDS_MAX} seconds, or waited as long for others; narrow it")]
    Slow,
    /// The engine.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RecordError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A store of records.
#[async_trait]
pub trait RecordStore: fmt::Debug + Send + Sync {
    /// Stores a new record.
    async fn create_record(&self, name: &RecordName, body: Map<String, Value>) -> Result<Record, RecordError>;

    /// A record as it is.
    async fn record(&self, name: &RecordName) -> Result<Record, RecordError>;

    /// Changes a record that is at version `expected`.
    async fn update_record(&self, name: &RecordName, expected: u32, change: Change) -> Result<Record, RecordError>;

    /// Removes a record; returns the version that it had.
    async fn delete_record(&self, name: &RecordName, expected: Option<u32>) -> Result<u32, RecordError>;

    /// Records of a collection that a filter lets through, in an order, from a place on.
    async fn query_records(&self, collection: &CollectionName, query: &Query) -> Result<Found, RecordError>;

    /// Numbers made of the records of a collection, in the order of their groups' values.
    async fn group_records(&self, collection: &CollectionName, grouping: &Grouping) -> Result<Vec<Group>, RecordError>;

    /// Collections in the order of their names, those that begin with `prefix`, from behind `after` on.
    async fn collections(&self, prefix: &str, after: Option<&str>, limit: u32)
    -> Result<Page<Collection>, RecordError>;

    /// Ids of a collection that begin with `prefix`, in order.
    async fn record_ids(
        &self,
        collection: &CollectionName,
        prefix: &str,
        limit: u32,
    ) -> Result<Page<String>, RecordError>;
}
