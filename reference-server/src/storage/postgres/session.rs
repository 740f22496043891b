//! Connections, and what may be asked of one: transactions only.
//!
//! Invariant: a statement runs within a transaction, also where it only reads. A pooler in transaction mode may give two
//! statements outside of one to two connections, and a statement takes two messages where it is not kept prepared.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{Postgres, Row, Transaction};

use super::{OpenError, PostgresSettings};

/// Most connections of one server.
const CONNECTIONS: u32 = 10;

/// How long a caller waits for a connection; meanwhile a database that is starting is tried again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Reads see one moment of the database. Seconds are those after which the database itself gives up.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '10s'";

/// Each statement sees what was committed before it, also by the writer that held the path's lock before.
const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '10s'; \
    SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// One transaction.
pub(super) type Work = Transaction<'static, Postgres>;

/// The connections to one database.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    pool: PgPool,
    /// Whether statements stay prepared under a name on their connection.
    named: bool,
}

impl Sessions {
    pub(super) async fn open(settings: &PostgresSettings) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        Ok(Self { pool: pool.connect_with(settings.options().clone()).await?, named: settings.named_statements() })
    }

    pub(super) async fn reading(&self) -> Result<Work, sqlx::Error> {
        self.pool.begin_with(BEGIN_READING).await
    }

    pub(super) async fn writing(&self) -> Result<Work, sqlx::Error> {
        self.pool.begin_with(BEGIN_WRITING).await
    }

    /// A statement, unnamed where names are not to be used: sqlx would give it one even where it keeps none.
    pub(super) fn query<'a>(&self, statement: &'static str) -> Query<'a, Postgres, PgArguments> {
        sqlx::query(statement).persistent(self.named)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Refuses a database that cannot keep what this server promises.
pub(super) async fn check(sessions: &Sessions) -> Result<(), OpenError> {
    let mut work = sessions.reading().await?;
    let statement = "
        SELECT pg_encoding_to_char(encoding)::text AS encoding, current_setting('synchronous_commit') AS commits
        FROM pg_database WHERE datname = current_database()";
    let row = sessions.query(statement).fetch_one(&mut *work).await?;
    work.commit().await?;
    let encoding: String = row.try_get("encoding")?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    if row.try_get::<&str, _>("commits")? == "off" {
        tracing::warn!("synchronous_commit is off: a crash of the database may lose writes that were acknowledged");
    }
    Ok(())
}
