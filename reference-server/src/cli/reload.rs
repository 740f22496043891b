//! Settings that change while the server runs (`--watch-config`).
//!
//! In: settings that are valid by themselves. Out: a new state behind the same listener, or the old one. What a new state
//! cannot have is refused as a whole; what only a restart changes is left as it is, and told.
//! Invariants: a request under way ends with the settings that it began with; sessions end with their state, so that their
//! clients initialize anew; nothing that is kept in memory alone is lost.

mod changes;
mod fixed;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use doorward_reference_server::transport::generations::{Generations, Retired};
use doorward_reference_server::transport::http;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

pub(super) use changes::Changes;

use super::error::RunError;
use super::serving::{Opened, Process, Serving};
use super::{Arguments, Logging, own_files};

/// Pause between two looks at whether a store is in use still.
const LOOK: Duration = Duration::from_millis(100);

/// How long what was replaced may take to end once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// What takes changed settings, over HTTP.
pub(super) struct Reload<'a> {
    process: &'a Process,
    serving: &'a mut Serving,
    bound: Option<SocketAddr>,
    stop: CancellationToken,
    /// Ends the streams of every state.
    streams: CancellationToken,
    generations: Arc<Generations>,
    logging: &'a Logging,
    /// What was replaced and ends.
    ending: JoinSet<()>,
}

impl<'a> Reload<'a> {
    /// Begins with what is served at first.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) fn new(
        process: &'a Process,
        serving: &'a mut Serving,
        bound: Option<SocketAddr>,
        stop: CancellationToken,
        logging: &'a Logging,
    ) -> Result<Self, RunError> {
        let streams = CancellationToken::new();
        let (app, first) = app(serving, bound, &streams)?;
        let generations = Generations::new(app, first);
        Ok(Self { process, serving, bound, stop, streams, generations, logging, ending: JoinSet::new() })
    }

    /// What the listener serves.
    pub(super) fn generations(&self) -> Arc<Generations> {
        Arc::clone(&self.generations)
    }

    /// Takes changed settings, for ever; none once the server stops.
    pub(super) async fn follow(&mut self, mut changes: Changes) -> Infallible {
        loop {
            let wanted = changes.next().await;
            if self.stop.is_cancelled() {
                std::future::pending::<()>().await;
            }
            match self.take(wanted).await {
                Ok(()) => {
                    changes.accept();
                    tracing::info!(target: "settings", "changed settings are taken");
                }
                Err(error) => changes.refuse(&error.to_string()),
            }
        }
    }

    /// Waits for what was replaced, once the server stops: a clean end leaves one file of every database.
    pub(super) async fn end(mut self) {
        self.streams.cancel();
        let ended = async { while self.ending.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("a database that was left is still in use; it is cut");
        }
    }

    async fn take(&mut self, mut wanted: Arguments) -> Result<(), RunError> {
        let restart = fixed::keep(&self.serving.arguments, &mut wanted);
        let filter = EnvFilter::try_new(&wanted.log).map_err(|error| RunError::Log(error.to_string()))?;
        let location = wanted.location()?;
        own_files::check(&wanted, &location)?;
        let replaced = !fixed::has_same_store(&self.serving.arguments, &wanted);
        let opened = if replaced {
            Opened::open(&location, &wanted, self.process.telemetry.is_some()).await?
        } else {
            self.serving.opened.clone()
        };
        let (next, app, streams) = match self.next(wanted, opened.clone()).await {
            Ok(next) => next,
            Err(error) => {
                if replaced {
                    opened.store.close().await;
                }
                return Err(error);
            }
        };
        self.logging.set(filter);
        let retired = self.generations.replace(app, streams);
        let before = std::mem::replace(self.serving, next);
        while self.ending.try_join_next().is_some() {}
        self.ending.spawn(end(retired, before, replaced, self.stop.clone()));
        for setting in restart {
            tracing::warn!(target: "settings", setting, "a changed setting needs a restart; the old one stays");
        }
        Ok(())
    }

    async fn next(&self, wanted: Arguments, opened: Opened) -> Result<(Serving, Router, CancellationToken), RunError> {
        let next = Serving::begin(self.process, wanted, opened, Some(&*self.serving)).await?;
        let (app, streams) = app(&next, self.bound, &self.streams)?;
        Ok((next, app, streams))
    }
}

fn app(
    serving: &Serving,
    bound: Option<SocketAddr>,
    all_streams: &CancellationToken,
) -> Result<(Router, CancellationToken), RunError> {
    let streams = all_streams.child_token();
    let app = http::app_at(&serving.server(), &serving.options()?, bound, streams.clone());
    Ok((app, streams))
}

/// Lets what is under way end, then closes the store, where another one took its place.
async fn end(retired: Retired, before: Serving, replaced: bool, stop: CancellationToken) {
    retired.end().await;
    let store = Arc::clone(&before.opened.store);
    drop(before);
    if !replaced {
        return;
    }
    // A task that began before may go on for longer.
    while Arc::strong_count(&store) > 1 && !stop.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
    store.close().await;
}

/// Over standard streams there is one session, which cannot be begun anew: only what is logged changes.
pub(super) async fn log_only(mut changes: Changes, logging: &Logging) -> Infallible {
    loop {
        let wanted = changes.next().await;
        match EnvFilter::try_new(&wanted.log) {
            Ok(filter) => {
                logging.set(filter);
                changes.accept();
                tracing::warn!(target: "settings", "over standard streams only --log is taken while the server runs; the rest needs a restart");
            }
            Err(error) => changes.refuse(&RunError::Log(error.to_string()).to_string()),
        }
    }
}
