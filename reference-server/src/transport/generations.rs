//! One application after another behind one listener: new requests go to the new one, those under way end in the old one.
//! At the end of the server, no application takes the place of the last one.
//!
//! In: applications, each with the token that ends its streams. Out: one [`Generations::app`] for the listener, and for an
//! application that was replaced a [`Retired`]. Refusals: 503 once the server stops. Invariant: a stream that has no end of its own (`GET` for events,
//! `subscriptions/listen`) holds no application back; everything else does, until its answer was sent.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::sse;

/// How long requests under way may go on in an application that was replaced.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Shows that a request is under way, for as long as it lives.
#[derive(Debug, Clone)]
pub(super) struct UnderWay {
    _begun: mpsc::Sender<()>,
}

#[derive(Debug)]
struct Generation {
    app: Router,
    /// Ends the streams of this application.
    streams: CancellationToken,
    begun: UnderWay,
    /// Ends once nothing is under way.
    ended: mpsc::Receiver<()>,
}

impl Generation {
    fn new(app: Router, streams: CancellationToken) -> Self {
        let (begun, ended) = mpsc::channel(1);
        Self { app, streams, begun: UnderWay { _begun: begun }, ended }
    }
}

/// The application that requests go to at the moment.
#[derive(Debug)]
pub struct Generations(RwLock<Generation>);

/// An application that gets no request any more.
#[derive(Debug)]
pub struct Retired {
    streams: CancellationToken,
    ended: mpsc::Receiver<()>,
}

impl Generations {
    /// Begins with this application, whose streams end when `streams` is cancelled.
    #[must_use]
    pub fn new(app: Router, streams: CancellationToken) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Generation::new(app, streams))))
    }

    /// Sends every request from now on to this application.
    pub fn replace(&self, app: Router, streams: CancellationToken) -> Retired {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Generation { streams, ended, .. } = std::mem::replace(&mut *current, Generation::new(app, streams));
        Retired { streams, ended }
    }

    /// Refuses every request from now on; returns once those under way are done and the streams were ended.
    pub(super) async fn stop(&self) {
        let refusing = Router::new().fallback(async || (StatusCode::SERVICE_UNAVAILABLE, "the server stops\n"));
        self.replace(refusing, CancellationToken::new()).end().await;
    }

    /// What a listener serves.
    pub fn app(self: &Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(Arc::clone(self))
    }

    fn current(&self) -> (Router, UnderWay) {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (current.app.clone(), current.begun.clone())
    }
}

impl Retired {
    /// Waits until nothing is under way, the streams were ended otherwise, or [`PATIENCE`] is over; then ends the streams,
    /// and with them the sessions.
    pub async fn end(mut self) {
        tokio::select! {
            _ = self.ended.recv() => {}
            () = self.streams.cancelled() => {}
            () = tokio::time::sleep(PATIENCE) => tracing::warn!("requests under way in a replaced server were not done in time"),
        }
        self.streams.cancel();
    }
}

/// Whether an answer to this has no end of its own.
fn is_endless(request: &Request) -> bool {
    let is = |name: &str, value: &str| {
        request.headers().get(name).and_then(|told| told.to_str().ok()).is_some_and(|told| told.contains(value))
    };
    request.uri().path() == sse::PATHS[0]
        || (request.method() == Method::GET && is(header::ACCEPT.as_str(), "text/event-stream"))
        || is("mcp-method", "subscriptions/listen")
}

async fn answer(State(generations): State<Arc<Generations>>, mut request: Request) -> Response {
    let (mut app, under_way) = generations.current();
    if is_endless(&request) {
        drop(under_way);
        return answered(app.call(request).await);
    }
    if request.uri().path() == sse::PATHS[1] {
        // Its answer comes on a stream, later than the answer to the request.
        request.extensions_mut().insert(under_way.clone());
    }
    let answer = answered(app.call(request).await);
    answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &under_way;
            frame
        }))
    })
}

fn answered(answer: Result<Response, std::convert::Infallible>) -> Response {
    answer.unwrap_or_else(|never| match never {})
}
