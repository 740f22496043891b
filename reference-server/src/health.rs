//! Whether the server lives, and whether it can serve: `/live` and `/ready`, beside the endpoint.
//!
//! In: nothing. Out: 200, or 503 with the dependency that fails; what exactly fails is in the log.
//! Invariant: asking often costs no more than asking once a second, since nobody is asked who they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::state::Shared;
use crate::storage::Filter;

/// The paths.
pub const PATHS: [&str; 2] = ["/live", "/ready"];

/// For how long a look at the dependencies holds.
const HOLDS: Duration = Duration::from_secs(1);

/// How long a dependency may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a dependency is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    Ok,
    Unavailable,
    /// Not there, and not needed to serve.
    Degraded,
}

/// What the dependencies are like. Those that are not configured are left out.
#[derive(Debug, Clone, Copy, Serialize)]
struct Report {
    ready: bool,
    documents: Check,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<Check>,
}

struct Health {
    shared: Arc<Shared>,
    stop: CancellationToken,
    last: Mutex<Option<(Instant, Report)>>,
    directory: Single,
    objects: Single,
}

/// One look at a time at what may never answer: the thread that waits for a dead network mount cannot be ended.
#[derive(Default)]
struct Single(Arc<Mutex<()>>);

impl Single {
    /// What the work gives; `None` while work before it has not come to its end.
    async fn look<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.0).try_lock_owned().ok()?;
        // By itself, so that it keeps its turn when nobody waits for it any more.
        let looking = tokio::spawn(async move {
            let _turn = turn;
            work.await
        });
        looking.await.ok()
    }
}

/// Serves both paths. Once `stop` is cancelled the server is not ready any more.
pub fn routes(shared: Arc<Shared>, stop: CancellationToken) -> Router {
    let health = Arc::new(Health {
        shared,
        stop,
        last: Mutex::new(None),
        directory: Single::default(),
        objects: Single::default(),
    });
    let [live, ready_at] = PATHS;
    Router::new().route(live, get(|| async { "ok\n" })).route(ready_at, get(ready)).with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let mut report = health.report().await;
    report.ready &= !health.stop.is_cancelled();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

impl Health {
    async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((when, report)) = *last
            && when.elapsed() < HOLDS
        {
            return report;
        }
        let report = self.look().await;
        *last = Some((Instant::now(), report));
        report
    }

    /// Looks at all of them at once, so that it takes no longer than the slowest.
    async fn look(&self) -> Report {
        let filter = Filter::default();
        let (documents, directory, objects) = tokio::join!(
            check("documents", self.shared.documents.list(&filter, None, 1)),
            self.directory(),
            self.objects()
        );
        let needed = [Some(documents), directory, objects];
        let ready = !needed.contains(&Some(Check::Unavailable));
        // Without it everything is served, only slower.
        let reaches = self.shared.cache().and_then(|cache| cache.reaches());
        let cache = reaches.map(|reaches| if reaches { Check::Ok } else { Check::Degraded });
        Report { ready, documents, directory, objects, cache }
    }

    async fn directory(&self) -> Option<Check> {
        let directory = self.shared.directory()?.clone();
        let looking = self.directory.look(async move { directory.check().await });
        Some(check("directory", told(looking)).await)
    }

    async fn objects(&self) -> Option<Check> {
        let objects = Arc::clone(self.shared.objects()?);
        let looking = self.objects.look(async move { objects.check().await });
        Some(check("objects", told(looking)).await)
    }
}

/// What a look found, without the names and addresses that its error may hold.
async fn told<E>(looking: impl Future<Output = Option<Result<(), E>>>) -> Result<(), &'static str> {
    looking.await.ok_or("an earlier look has no answer yet")?.map_err(|_| "it cannot be used")
}

async fn check<T, E: std::fmt::Display>(name: &str, work: impl Future<Output = Result<T, E>>) -> Check {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(_)) => Check::Ok,
        Ok(Err(error)) => {
            tracing::warn!(%error, dependency = name, "not ready");
            Check::Unavailable
        }
        Err(_) => {
            tracing::warn!(dependency = name, "not ready: no answer in time");
            Check::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn what_never_answers_is_asked_once() {
        let single = Single::default();
        let asked = Arc::new(Mutex::new(0));
        for _ in 0..5 {
            let asked = Arc::clone(&asked);
            let hanging = single.look(async move {
                *asked.lock().await += 1;
                std::future::pending::<()>().await;
            });
            let answer = tokio::time::timeout(Duration::from_millis(20), hanging).await;
            assert!(answer.is_err() || answer.unwrap().is_none());
        }
        assert_eq!(*asked.lock().await, 1);
        // What answers is asked each time.
        let other = Single::default();
        assert_eq!((other.look(async { 1 }).await, other.look(async { 2 }).await), (Some(1), Some(2)));
    }
}
