//! Documents, prompts and records in SQLite: one file, or memory only.
//!
//! In: a path. Out: a [`SqliteStore`] on the newest schema. Refusals: [`OpenError`].
//! Invariants: writers take turns on one connection, each in a transaction that holds the write lock from its first
//! statement, so that what it read is still true when it writes; a commit is on the disk before it is acknowledged
//! (write-ahead log, `synchronous = FULL`); every statement is made of literals of this source, what a caller gave is bound.

mod backup;
mod feed;
mod index;
mod prompts;
mod read;
mod records;
mod rows;
mod search;
mod statements;
mod write;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, SqlSafeStr};
use tokio::sync::mpsc::Receiver;

use self::feed::SqliteFeed;
use super::backup::{BackupError, Record, Records};
use super::{
    Body, ChangeFeed, Changes, Document, DocumentPath, DocumentStore, Filter, Hit, Limits, Page, Progress, Revision,
    SearchText, StoreError, Summary,
};

/// The schema's steps. Once released, a step never changes (`migrations/released.sha256`).
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "documents", include_str!("../../migrations/sqlite/0001_documents.sql")),
    (2, "changes", include_str!("../../migrations/sqlite/0002_changes.sql")),
    (3, "prompts", include_str!("../../migrations/sqlite/0003_prompts.sql")),
    (4, "records", include_str!("../../migrations/sqlite/0004_records.sql")),
    (5, "search", include_str!("../../migrations/sqlite/0005_search.sql")),
];

/// Connections that read at the same time.
const READERS: u32 = 4;

/// Connections that query records at the same time.
const QUERIERS: u32 = 2;

/// How long a caller waits for a connection or for a lock that another process holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can be neither opened nor created.
    #[error("cannot open the database file: {0}")]
    File(#[from] io::Error),
    /// The engine refuses it.
    #[error("cannot open the database: {0}")]
    Engine(#[from] sqlx::Error),
    /// The schema cannot be brought up to date, for example because a newer server wrote it.
    #[error("cannot bring the database's schema up to date: {0}")]
    Schema(#[from] MigrateError),
    /// The operating system gave no random bytes for a name of the store's own.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Documents in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
    /// What keeps a database in memory.
    keeper: Option<SqlitePool>,
    querier: SqlitePool,
    limits: Limits,
    /// What tells the changes of this store from others'.
    origin: Arc<str>,
    /// Whether others may have the same documents.
    shared: bool,
}

impl SqliteStore {
    /// The database at `path`, which is created when it is not there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(path: &Path, limits: Limits) -> Result<Self, OpenError> {
        // Absolute, so that SQLite takes no relative name for one of its special ones, such as `:memory:`.
        let path = std::path::absolute(path)?;
        // Before SQLite does, so that nobody else may read it; the log beside it gets the file's mode.
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let options = options()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = single().connect_with(options.clone()).await?;
        migrate(&writer).await?;
        let readers = settled(SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(PATIENCE), Watch::None);
        let options = options.pragma("query_only", "on");
        let queriers = SqlitePoolOptions::new().max_connections(QUERIERS).acquire_timeout(records::QUERY_TIME);
        let queriers = settled(queriers, Watch::Queries);
        let querier = queriers.connect_lazy_with(options.clone());
        let reader = readers.connect_with(options).await?;
        Ok(Self { writer, reader, querier, keeper: None, limits, origin: origin()?, shared: true })
    }

    /// A database that is gone with the store.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn in_memory(limits: Limits) -> Result<Self, OpenError> {
        let origin = origin()?;
        // A database in memory is gone with its last connection, and the pool gives one up whose caller went away in the
        // middle of a statement. So another one, which is never used, keeps it.
        let options = options().in_memory(true).shared_cache(true).filename(format!("file:documents-{origin}"));
        let keeper = single().idle_timeout(None).max_lifetime(None).min_connections(1);
        let keeper = keeper.connect_with(options.clone()).await?;
        let only = settled(single().idle_timeout(None).max_lifetime(None).min_connections(1), Watch::Queries);
        let writer = only.connect_with(options).await?;
        migrate(&writer).await?;
        Ok(Self {
            reader: writer.clone(),
            querier: writer.clone(),
            writer,
            keeper: Some(keeper),
            limits,
            origin,
            shared: false,
        })
    }
}

fn origin() -> Result<Arc<str>, OpenError> {
    Ok(super::feed::origin().map_err(OpenError::Random)?.into())
}

fn options() -> SqliteConnectOptions {
    // Statements hold no caller's text, but their bound values would be in the engine's log at its most talkative.
    SqliteConnectOptions::new().foreign_keys(true).busy_timeout(PATIENCE).disable_statement_logging()
}

fn single() -> SqlitePoolOptions {
    settled(SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE), Watch::None)
}

/// What the connections of a pool may have been given that looks on while they work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    None,
    /// A handler that ends queries which take too long.
    Queries,
}

/// Looks at a connection that is given back: takes the watch of a query from it, and gives it up where it counts a
/// transaction that was not rolled back. On a full disk SQLite ends a transaction by itself; the rollback then fails, and
/// without this no later writer could begin one.
fn settled(pool: SqlitePoolOptions, watch: Watch) -> SqlitePoolOptions {
    pool.after_release(move |connection, _| {
        Box::pin(async move {
            // Asks the connection's thread, so only where there is something to ask; a rollback is waited for by it, too.
            if watch == Watch::Queries || connection.is_in_transaction() {
                connection.lock_handle().await?.remove_progress_handler();
            }
            Ok(!connection.is_in_transaction())
        })
    })
}

async fn migrate(pool: &SqlitePool) -> Result<(), MigrateError> {
    let step = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(step).collect()).run(pool).await
}

#[async_trait]
impl DocumentStore for SqliteStore {
    fn limits(&self) -> Limits {
        self.limits
    }

    async fn create(&self, path: &DocumentPath, body: Body) -> Result<Document, StoreError> {
        body.check(self.limits)?;
        write::create(self, path, body).await
    }

    async fn read(&self, path: &DocumentPath, version: Option<u32>) -> Result<Document, StoreError> {
        read::document(&self.reader, path, version).await
    }

    async fn update(&self, path: &DocumentPath, expected: u32, changes: Changes) -> Result<Document, StoreError> {
        write::update(self, path, expected, changes).await
    }

    async fn relocate(
        &self,
        from: &DocumentPath,
        to: &DocumentPath,
        expected: Option<u32>,
    ) -> Result<Document, StoreError> {
        write::relocate(self, from, to, expected).await
    }

    async fn delete(&self, path: &DocumentPath, expected: Option<u32>) -> Result<u32, StoreError> {
        write::delete(self, path, expected).await
    }

    async fn list(&self, filter: &Filter, after: Option<&str>, limit: u32) -> Result<Page<Summary>, StoreError> {
        read::list(&self.reader, filter, after, limit).await
    }

    async fn history(
        &self,
        path: &DocumentPath,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Revision>, StoreError> {
        read::history(&self.reader, path, before, limit).await
    }

    async fn search(&self, text: &SearchText, filter: &Filter, limit: u32) -> Result<Page<Hit>, StoreError> {
        search::search(&self.reader, text, filter, limit).await
    }

    async fn feed(&self) -> Result<Option<Box<dyn ChangeFeed>>, StoreError> {
        Ok(if self.shared { Some(Box::new(SqliteFeed::open(self).await?)) } else { None })
    }

    async fn dump(&self, records: Records) -> Result<(), BackupError> {
        backup::dump(self, records).await
    }

    async fn load(&self, records: Receiver<Record>) -> Result<(), BackupError> {
        backup::load(self, records).await
    }

    async fn rebuild_index(&self, progress: Progress<'_>) -> Result<u64, StoreError> {
        index::rebuild(&self.writer, progress).await
    }

    async fn close(&self) {
        self.querier.close().await;
        self.reader.close().await;
        self.writer.close().await;
        if let Some(keeper) = &self.keeper {
            keeper.close().await;
        }
    }
}

#[cfg(test)]
mod tests;
