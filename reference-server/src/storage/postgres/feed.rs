//! What other servers changed in the same database: looked for when a notification comes, and at intervals.
//!
//! Transactions end in another order than they began in, so a reader cannot just go on behind the highest `seq` that it
//! saw. It looks again at everything from the oldest transaction on that was still under way when it looked before, and
//! skips what it has told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgListener, PgPool, PgPoolOptions};
use sqlx::{Acquire, Row};

use super::PostgresStore;
use super::session::{Sessions, Work};
use super::settings::Events;
use crate::storage::feed::{ChangeFeed, KEPT, News, POLL, SWEEP};
use crate::storage::record::RecordName;
use crate::storage::{DocumentPath, StoreError, now};

/// What the servers of a database call each other by.
const CHANNEL: &str = "doorward_documents";

/// How often one looks although notifications come.
const POLL_LISTENING: Duration = Duration::from_secs(5);

/// How long a notification to oneself may take before listening is taken for impossible here.
const ECHO: Duration = Duration::from_secs(2);

/// How long after a failure one tries to listen again.
const RETRY: Duration = Duration::from_secs(10);

pub(super) struct PostgresFeed {
    store: PostgresStore,
    events: Events,
    /// Nothing more can come from a transaction before this one.
    from: i64,
    /// What was told of the transactions from there on: `seq` and `xid`.
    told: BTreeSet<(i64, i64)>,
    listener: Option<PgListener>,
    tried: Option<Instant>,
    swept: Instant,
}

impl std::fmt::Debug for PostgresFeed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listening = self.listener.is_some();
        formatter
            .debug_struct("PostgresFeed")
            .field("from", &self.from)
            .field("listening", &listening)
            .finish_non_exhaustive()
    }
}

impl PostgresFeed {
    pub(super) async fn open(store: &PostgresStore) -> Result<Self, StoreError> {
        let mut feed = Self {
            store: store.clone(),
            events: store.events.clone(),
            from: 0,
            told: BTreeSet::new(),
            listener: None,
            tried: None,
            swept: Instant::now(),
        };
        // What is there already is nobody's news.
        let mut work = store.sessions.reading().await?;
        let statement = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin";
        feed.from = store.sessions.query(statement).fetch_one(&mut *work).await?.try_get("xmin")?;
        work.commit().await?;
        feed.look().await?;
        feed.sweep().await?;
        Ok(feed)
    }

    async fn look(&mut self) -> Result<News, StoreError> {
        let statement = "
            SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin,
                seq, xid::text::bigint AS xid, kind, path, listed, origin
            FROM (SELECT) AS always LEFT JOIN changes ON xid >= $1::text::xid8
            ORDER BY seq";
        let mut work = self.store.sessions.reading().await?;
        let looking = self.store.sessions.query(statement).bind(self.from.to_string());
        let rows = looking.fetch_all(&mut *work).await?;
        work.commit().await?;
        let mut changes = News::default();
        for row in rows {
            self.from = row.try_get("xmin")?;
            let Some(seq) = row.try_get::<Option<i64>, _>("seq")? else { continue };
            let news = self.told.insert((row.try_get("xid")?, seq));
            if news && row.try_get::<&str, _>("origin")? != &*self.store.origin {
                changes.add(row.try_get("kind")?, row.try_get("path")?, row.try_get("listed")?);
            }
        }
        self.told = self.told.split_off(&(self.from, i64::MIN));
        Ok(changes)
    }

    async fn sweep(&mut self) -> Result<(), StoreError> {
        self.swept = Instant::now();
        let then = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(KEPT);
        let then = i64::try_from(then.as_millis()).unwrap_or(i64::MAX);
        let mut work = self.store.sessions.writing().await?;
        self.store.sessions.query("DELETE FROM changes WHERE at < $1").bind(then).execute(&mut *work).await?;
        Ok(work.commit().await?)
    }

    /// Listens where that can be and is not done yet.
    async fn listen(&mut self) {
        let due = self.tried.is_none_or(|tried| tried.elapsed() > RETRY);
        let Events::From(options) = &self.events else { return };
        if self.listener.is_some() || !due {
            return;
        }
        self.tried = Some(Instant::now());
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(ECHO).idle_timeout(ECHO);
        let pool = pool.connect_lazy_with((**options).clone());
        match listener(&pool, &self.store.sessions).await {
            Ok(Some(listener)) => self.listener = Some(listener),
            Ok(None) => {
                tracing::warn!(
                    "the database is behind a pooler, where notifications do not arrive: servers look for changes by the \
                     clock. Name the database itself by --database-events-url, or `poll`"
                );
                // It will not be otherwise later.
                self.events = Events::Poll;
            }
            Err(error) => tracing::warn!(%error, "cannot listen to the database; trying again in {RETRY:?}"),
        }
    }

    /// Waits until it is time to look.
    async fn wait(&mut self) {
        let Some(listener) = &mut self.listener else { return tokio::time::sleep(POLL).await };
        let own = &*self.store.origin;
        let others = async {
            loop {
                match listener.try_recv().await {
                    Ok(Some(notification)) if notification.payload() == own => {}
                    heard => return heard,
                }
            }
        };
        match tokio::time::timeout(POLL_LISTENING, others).await {
            Ok(Ok(Some(_))) | Err(_) => {}
            // The connection is gone; what came meanwhile is found by looking.
            Ok(Ok(None) | Err(_)) => {
                self.listener = None;
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// Whether connections are the database's own, and stay so.
///
/// A pooler in transaction mode must not be asked to listen: it would be some connection of everybody's that listens from then on,
/// whose notifications disturb whoever uses it next. There, a second connection meets the process of the first sooner or
/// later, or one meets two.
async fn direct(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let (mut first, mut second) = (pool.acquire().await?, pool.acquire().await?);
    let (one, two) = (process(&mut first).await?, process(&mut second).await?);
    let mut stay = one != two;
    for _ in 0..3 {
        // Twice and once, since a pooler may give out its connections in turn.
        stay &= process(&mut first).await? == one && process(&mut first).await? == one;
        stay &= process(&mut second).await? == two;
    }
    Ok(stay)
}

/// The process that a connection's transaction meets.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let mut work = connection.begin().await?;
    let met = sqlx::query("SELECT pg_backend_pid() AS id").persistent(false).fetch_one(&mut *work).await?;
    work.commit().await?;
    met.try_get("id")
}

/// A listener that was heard to work; `None` where notifications do not arrive.
async fn listener(pool: &PgPool, sessions: &Sessions) -> Result<Option<PgListener>, sqlx::Error> {
    if !direct(pool).await? {
        return Ok(None);
    }
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let mut work = sessions.writing().await?;
    notify(sessions, &mut work, "").await?;
    work.commit().await?;
    match tokio::time::timeout(ECHO, listener.try_recv()).await {
        Ok(heard) => Ok(heard?.map(|_| listener)),
        Err(_) => Ok(None),
    }
}

async fn notify(sessions: &Sessions, work: &mut Work, origin: &str) -> Result<(), sqlx::Error> {
    sessions.query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(origin).execute(&mut **work).await?;
    Ok(())
}

/// Notes a change, in its transaction; who listens is told when that is committed.
pub(super) async fn note(
    sessions: &Sessions,
    work: &mut Work,
    origin: &str,
    path: &DocumentPath,
    listed: bool,
    at: i64,
) -> Result<(), StoreError> {
    let statement = "INSERT INTO changes (path, listed, origin, at) VALUES ($1, $2, $3, $4)";
    let noting = sessions.query(statement).bind(path.as_str()).bind(listed).bind(origin).bind(at);
    noting.execute(&mut **work).await?;
    Ok(notify(sessions, work, origin).await?)
}

/// Notes that a prompt was changed, likewise.
pub(super) async fn note_prompts(sessions: &Sessions, work: &mut Work, origin: &str) -> Result<(), StoreError> {
    let statement = "INSERT INTO changes (kind, path, listed, origin, at) VALUES ('prompt', 'prompts', TRUE, $1, $2)";
    sessions.query(statement).bind(origin).bind(now()).execute(&mut **work).await?;
    Ok(notify(sessions, work, origin).await?)
}

/// Notes that a record was changed, likewise.
pub(super) async fn note_record(
    sessions: &Sessions,
    work: &mut Work,
    origin: &str,
    name: &RecordName,
    at: i64,
) -> Result<(), StoreError> {
    let statement = "INSERT INTO changes (kind, path, listed, origin, at) VALUES ('record', $1, FALSE, $2, $3)";
    sessions.query(statement).bind(name.to_string()).bind(origin).bind(at).execute(&mut **work).await?;
    Ok(notify(sessions, work, origin).await?)
}

#[async_trait]
impl ChangeFeed for PostgresFeed {
    async fn next(&mut self) -> Result<News, StoreError> {
        loop {
            self.listen().await;
            let changes = self.look().await?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            self.wait().await;
            if self.swept.elapsed() > SWEEP {
                self.sweep().await?;
            }
        }
    }
}
