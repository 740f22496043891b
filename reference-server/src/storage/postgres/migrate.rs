//! Bringing the schema up to date.
//!
//! sqlx's own way locks the session and names its statements; both need a connection of one's own. Here it is one
//! transaction, with a lock that ends with it, over the same table (`_sqlx_migrations`) that sqlx's command line reads.

use sqlx::migrate::{Migration, MigrationType};
use sqlx::{Executor, Row, SqlSafeStr};

use super::session::Sessions;

/// The schema's steps, with the versions of SQLite's. Once released, a step never changes (`migrations/released.sha256`).
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "documents", include_str!("../../../migrations/postgres/0001_documents.sql")),
    (2, "changes", include_str!("../../../migrations/postgres/0002_changes.sql")),
    (3, "prompts", include_str!("../../../migrations/postgres/0003_prompts.sql")),
    (4, "records", include_str!("../../../migrations/postgres/0004_records.sql")),
    (5, "search", include_str!("../../../migrations/postgres/0005_search.sql")),
];

/// Whose turn it is. Any number that nobody else uses in this database.
const LOCK: i64 = 0x646f_6f72_7761_7264;

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS _sqlx_migrations (
        version BIGINT PRIMARY KEY,
        description TEXT NOT NULL,
        installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
        success BOOLEAN NOT NULL,
        checksum BYTEA NOT NULL,
        execution_time BIGINT NOT NULL
    )";

/// Why the schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database refuses.
    #[error(transparent)]
    Engine(#[from] sqlx::Error),
    /// A step that this server does not know, or knows otherwise.
    #[error("step {0} of the schema is not of this server; a newer one may have written it")]
    Foreign(i64),
}

pub(super) async fn migrate(sessions: &Sessions) -> Result<(), SchemaError> {
    let mut work = sessions.writing().await?;
    sessions.query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *work).await?;
    let there = sessions.query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS there");
    if !there.fetch_one(&mut *work).await?.try_get::<bool, _>("there")? {
        work.execute(TABLE).await?;
    }
    let applied = sessions.query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
    let mut applied = applied.fetch_all(&mut *work).await?.into_iter();
    for &(version, name, sql) in MIGRATIONS {
        let step = Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false);
        if let Some(row) = applied.next() {
            let same =
                row.try_get::<i64, _>("version")? == version && row.try_get::<&[u8], _>("checksum")? == &*step.checksum;
            if !same {
                return Err(SchemaError::Foreign(row.try_get("version")?));
            }
            continue;
        }
        work.execute(sql).await?;
        let statement = "
            INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES ($1, $2, TRUE, $3, 0)";
        sessions.query(statement).bind(version).bind(name).bind(&*step.checksum).execute(&mut *work).await?;
    }
    if let Some(newer) = applied.next() {
        return Err(SchemaError::Foreign(newer.try_get("version")?));
    }
    Ok(work.commit().await?)
}
