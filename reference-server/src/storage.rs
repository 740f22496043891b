//! Where documents, prompts and records are kept: a trait for each, and an engine behind both.
//!
//! In: checked paths, bodies and queries. Out: documents, pages of them, hits. Refusals: [`StoreError`].
//! Invariants, for every engine: a change is there as a whole or not at all once its call returned; an update names the
//! version that it was made from and is refused when that is no longer the current one; every update and move keeps
//! the version before; a path and a version name one content forever, also after a deletion.
//! Search, for every engine: the same words are found, and the hits have the same order. First by how much of what was
//! searched for the title and the path hold ([`TITLE_WEIGHT`], [`PATH_WEIGHT`]), then by the latest change, then by path.
//! To add an engine: a module beside [`sqlite`] and [`postgres`], a folder of migrations beside theirs, a line in
//! [`location`], and the engine in the suite of `tests/it/storage`.

pub mod backup;
pub mod document;
pub mod feed;
pub mod location;
pub mod path;
pub mod postgres;
pub mod prompt;
pub mod query;
pub mod record;
pub mod sqlite;
pub mod statements;
pub mod words;

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use tokio::sync::mpsc::Receiver;

use backup::{BackupError, Record, Records};
pub use document::{Body, Changes, Document, Hit, Invalid, Limits, Page, Revision, Summary};
pub use feed::{ChangeFeed, DocumentChange, News};
pub use path::DocumentPath;
pub use prompt::PromptStore;
pub use query::{Filter, SearchText};
pub use record::RecordStore;

/// What a word or phrase counts for a hit whose title holds it.
pub const TITLE_WEIGHT: i64 = 2;

/// What it counts for a hit whose path holds it.
pub const PATH_WEIGHT: i64 = 1;

/// Codes of SQLite (SQLITE_FULL) and PostgreSQL (disk_full) for a full disk.
const FULL: [&str; 2] = ["13", "53100"];

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No document at this path.
    #[error("no document at {0}")]
    NotFound(DocumentPath),
    /// The document has no such version.
    #[error("{path} has no version {version}")]
    NoVersion {
        /// The document.
        path: DocumentPath,
        /// What was asked for.
        version: u32,
    },
    /// Something is at this path already.
    #[error("a document at {0} exists already")]
    Exists(DocumentPath),
    /// Someone else was faster.
    #[error("{path} is at version {current}, not at the expected {expected}; read it again and decide anew")]
    Conflict {
        /// The document.
        path: DocumentPath,
        /// What the writer took for the current version.
        expected: u32,
        /// What it is.
        current: u32,
    },
    /// The document would break a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No room on the disk.
    #[error("the store has no room left; nothing was changed")]
    Full,
    /// The engine failed; what exactly is for the log, not for the caller.
    #[error("the store cannot be used at the moment")]
    Unavailable(#[source] sqlx::Error),
    /// A stored row is not what this server writes.
    #[error("the store holds something that cannot be read")]
    Corrupt(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let full =
            error.as_database_error().and_then(|error| error.code()).is_some_and(|code| FULL.contains(&code.as_ref()));
        tracing::error!(%error, "the store failed");
        crate::telemetry::store_failed(if full { "full" } else { "unavailable" });
        if full { Self::Full } else { Self::Unavailable(error) }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970 as RFC 3339.
#[must_use]
pub fn time(milliseconds: i64) -> String {
    let time = DateTime::from_timestamp_millis(milliseconds).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What an engine is.
pub trait Store: DocumentStore + PromptStore + RecordStore {}

impl<S: DocumentStore + PromptStore + RecordStore> Store for S {}

/// Is told how many documents are done, of how many.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// A store of documents.
#[async_trait]
pub trait DocumentStore: Debug + Send + Sync {
    /// The limits that every written document is held to.
    fn limits(&self) -> Limits;

    /// Stores a new document.
    async fn create(&self, path: &DocumentPath, body: Body) -> Result<Document, StoreError>;

    /// A document as it is, or as it was at `version`.
    async fn read(&self, path: &DocumentPath, version: Option<u32>) -> Result<Document, StoreError>;

    /// Changes a document that is at version `expected`.
    async fn update(&self, path: &DocumentPath, expected: u32, changes: Changes) -> Result<Document, StoreError>;

    /// Gives a document another path, as a new version of it.
    async fn relocate(
        &self,
        from: &DocumentPath,
        to: &DocumentPath,
        expected: Option<u32>,
    ) -> Result<Document, StoreError>;

    /// Removes a document with its history; returns the version that it had.
    async fn delete(&self, path: &DocumentPath, expected: Option<u32>) -> Result<u32, StoreError>;

    /// Documents in the order of their paths, from behind `after` on.
    async fn list(&self, filter: &Filter, after: Option<&str>, limit: u32) -> Result<Page<Summary>, StoreError>;

    /// A document's versions, the newest first, from before `before` on.
    async fn history(&self, path: &DocumentPath, before: Option<u32>, limit: u32)
    -> Result<Page<Revision>, StoreError>;

    /// Documents that hold the text, the best first; see the order above.
    async fn search(&self, text: &SearchText, filter: &Filter, limit: u32) -> Result<Page<Hit>, StoreError>;

    /// What other servers of the same database change from now on; `None` where there can be none.
    async fn feed(&self) -> Result<Option<Box<dyn ChangeFeed>>, StoreError>;

    /// Gives everything, as one moment had it, to a backup; [`backup::Record::End`] only when that went well.
    async fn dump(&self, records: Records) -> Result<(), BackupError>;

    /// Takes everything of a backup, where the store is empty; nothing where the last record is not
    /// [`backup::Record::End`].
    async fn load(&self, records: Receiver<Record>) -> Result<(), BackupError>;

    /// Makes the full-text index anew from the documents; returns how many are in it. Searches go on with the old index
    /// meanwhile. Where the call is dropped, the old index stays.
    async fn rebuild_index(&self, progress: Progress<'_>) -> Result<u64, StoreError>;

    /// Waits for what is under way and closes every connection.
    async fn close(&self);
}
