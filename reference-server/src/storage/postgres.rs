//! Documents, prompts and records in PostgreSQL, 14 or later, directly or behind PgBouncer in transaction mode.
//!
//! In: [`PostgresSettings`]. Out: a [`PostgresStore`] on the newest schema. Refusals: [`OpenError`].
//! Invariants: nothing outlives a transaction on its connection (no session setting, no session lock), so that a pooler
//! may give every transaction another one; writers of one path take turns by a lock of the transaction, so that what
//! one read is still true when it writes; every statement is made of literals of this source, what a caller gave is bound.

mod backup;
mod feed;
mod index;
mod migrate;
mod prompts;
mod read;
mod records;
mod rows;
mod search;
mod session;
mod settings;
mod statements;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;

pub use migrate::SchemaError;
pub use settings::{Access, PostgresSettings, UrlError};

use self::feed::PostgresFeed;
use self::session::Sessions;
use self::settings::Events;
use super::backup::{BackupError, Record, Records};
use super::{
    Body, ChangeFeed, Changes, Document, DocumentPath, DocumentStore, Filter, Hit, Limits, Page, Progress, Revision,
    SearchText, StoreError, Summary,
};

/// How long one call may take, with waiting for a connection. Longer than the database itself may take for a statement,
/// so that it is the database that gives up where it still can.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached, or it refuses.
    #[error("cannot use the PostgreSQL database: {0}")]
    Engine(#[from] sqlx::Error),
    /// Texts would not come back as they were stored.
    #[error("the PostgreSQL database has the encoding {0}; it must be UTF8")]
    Encoding(String),
    /// The schema cannot be brought up to date, for example because a newer server wrote it.
    #[error("cannot bring the database's schema up to date: {0}")]
    Schema(#[from] SchemaError),
    /// The operating system gave no random bytes for a name of the store's own.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Documents in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    sessions: Sessions,
    events: Events,
    /// Turns of those who query records.
    queries: Arc<Semaphore>,
    limits: Limits,
    /// What tells the changes of this store from others'.
    origin: Arc<str>,
}

impl PostgresStore {
    /// The database of these settings, whose tables are created when they are not there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(settings: &PostgresSettings, limits: Limits) -> Result<Self, OpenError> {
        let sessions = Sessions::open(settings).await?;
        session::check(&sessions).await?;
        migrate::migrate(&sessions).await?;
        let origin = super::feed::origin().map_err(OpenError::Random)?.into();
        let queries = Arc::new(Semaphore::new(records::QUERIES));
        Ok(Self { sessions, events: settings.events().clone(), queries, limits, origin })
    }
}

/// Bounds a call: a server that is frozen or cut off answers nothing at all.
async fn bounded<T, E: From<sqlx::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
    }
}

#[async_trait]
impl DocumentStore for PostgresStore {
    fn limits(&self) -> Limits {
        self.limits
    }

    async fn create(&self, path: &DocumentPath, body: Body) -> Result<Document, StoreError> {
        body.check(self.limits)?;
        bounded(write::create(self, path, body)).await
    }

    async fn read(&self, path: &DocumentPath, version: Option<u32>) -> Result<Document, StoreError> {
        bounded(read::document(&self.sessions, path, version)).await
    }

    async fn update(&self, path: &DocumentPath, expected: u32, changes: Changes) -> Result<Document, StoreError> {
        bounded(write::update(self, path, expected, changes)).await
    }

    async fn relocate(
        &self,
        from: &DocumentPath,
        to: &DocumentPath,
        expected: Option<u32>,
    ) -> Result<Document, StoreError> {
        bounded(write::relocate(self, from, to, expected)).await
    }

    async fn delete(&self, path: &DocumentPath, expected: Option<u32>) -> Result<u32, StoreError> {
        bounded(write::delete(self, path, expected)).await
    }

    async fn list(&self, filter: &Filter, after: Option<&str>, limit: u32) -> Result<Page<Summary>, StoreError> {
        bounded(read::list(&self.sessions, filter, after, limit)).await
    }

    async fn history(
        &self,
        path: &DocumentPath,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Revision>, StoreError> {
        bounded(read::history(&self.sessions, path, before, limit)).await
    }

    async fn search(&self, text: &SearchText, filter: &Filter, limit: u32) -> Result<Page<Hit>, StoreError> {
        bounded(search::search(&self.sessions, text, filter, limit)).await
    }

    async fn feed(&self) -> Result<Option<Box<dyn ChangeFeed>>, StoreError> {
        Ok(Some(Box::new(bounded(PostgresFeed::open(self)).await?)))
    }

    async fn dump(&self, records: Records) -> Result<(), BackupError> {
        backup::dump(self, records).await
    }

    async fn load(&self, records: Receiver<Record>) -> Result<(), BackupError> {
        backup::load(self, records).await
    }

    async fn rebuild_index(&self, progress: Progress<'_>) -> Result<u64, StoreError> {
        index::rebuild(self, progress).await
    }

    async fn close(&self) {
        self.sessions.close().await;
    }
}
