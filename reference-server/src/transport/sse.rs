//! HTTP+SSE of revision 2024-11-05, which rmcp does not have: `GET /sse` opens a session, whose stream begins with the
//! place to send messages to.
//!
//! In: a stream's request, and messages for it. Out: the server's messages as events. Refusals: 403 for a foreign `Host` or
//! `Origin`, 404 for a session that is not there, 503 for one too many, 429 for a client that sends faster than it is
//! served or has too many requests under way, 400 for what is no message or has the id of a request under way.
//! Invariants: a session's id has 128 random bits and names nothing once its stream has ended, or has taken nothing for a
//! while; the numbers of streams, of requests under way in each and of messages waiting in each are bounded.

mod outbox;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, GetExtensions, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServiceExt};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::outbox::{Handled, Outbox, Outgoing, Refused};
use super::hosts::{Hosts, guard};
use crate::server::ReferenceServer;

/// Paths of the transport; the second is told to the client.
pub const PATHS: [&str; 2] = ["/sse", "/messages"];

/// Streams at a time. One whose session was closed counts until its connection ends: it may hold a message yet.
const SESSIONS_MAX: usize = 64;

/// Messages of a session that wait in each direction.
const BACKLOG: usize = 64;

/// Largest message, in bytes; the same as over Streamable HTTP.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Pause after which a comment keeps the stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long messages wait for a stream that takes none before its session is closed.
const STALL: Duration = Duration::from_secs(30);

/// How messages get into a session.
#[derive(Clone)]
struct Inbox {
    messages: mpsc::Sender<ClientJsonRpcMessage>,
    outbox: Arc<Outbox>,
}

struct Shared {
    server: ReferenceServer,
    /// Ends every stream.
    stop: CancellationToken,
    sessions: Mutex<HashMap<String, Inbox>>,
    streams: Arc<Semaphore>,
    patience: Duration,
}

impl Shared {
    /// No code that could panic runs under this lock.
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Inbox>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two routes.
pub(super) fn router(server: ReferenceServer, hosts: Hosts, stop: CancellationToken) -> Router {
    patient_router(server, hosts, stop, STALL)
}

fn patient_router(server: ReferenceServer, hosts: Hosts, stop: CancellationToken, patience: Duration) -> Router {
    let [stream, messages] = PATHS;
    let streams = Arc::new(Semaphore::new(SESSIONS_MAX));
    let shared = Arc::new(Shared { server, stop, sessions: Mutex::default(), streams, patience });
    Router::new()
        .route(stream, get(open))
        .route(messages, post(accept))
        .layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX))
        .layer(from_fn_with_state(hosts, guard))
        .with_state(shared)
}

/// A session's end of the server's side.
struct Session {
    id: String,
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    _ends: DropGuard,
    _stream: OwnedSemaphorePermit,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.sessions().remove(&self.id);
    }
}

fn new_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn open(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(id) = new_id() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(stream) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable: too many sessions").into_response();
    };
    let (messages, incoming) = mpsc::channel(BACKLOG);
    let (outbox, outgoing) = Outbox::new(BACKLOG);
    shared.sessions().insert(id.clone(), Inbox { messages, outbox: Arc::clone(&outbox) });
    let ended = shared.stop.child_token();
    let channels = Channels { incoming, outgoing, outbox: Arc::clone(&outbox) };
    tokio::spawn(watched(Arc::clone(&shared), id.clone(), channels, ended.clone()));
    let session = Session { id, shared: Arc::clone(&shared), outbox, _ends: ended.drop_guard(), _stream: stream };
    let [_, path] = PATHS;
    let endpoint = Event::default().event("endpoint").data(format!("{path}?sessionId={}", session.id));
    let events = futures_util::stream::unfold((Some(endpoint), session), |(first, session)| async move {
        let event = match first {
            Some(endpoint) => endpoint,
            None => event(&session.outbox.next().await?)?,
        };
        Some((Ok::<_, Infallible>(event), (None, session)))
    });
    ([("x-accel-buffering", "no")], Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response()
}

/// `None`, which ends the stream, for what cannot be written; nothing rmcp sends is such.
fn event(message: &ServerJsonRpcMessage) -> Option<Event> {
    let text =
        serde_json::to_string(message).inspect_err(|error| tracing::error!(%error, "message not written")).ok()?;
    Some(Event::default().event("message").data(text))
}

/// Serves the session until it ends, or its stream takes nothing.
async fn watched(shared: Arc<Shared>, id: String, channels: Channels, ended: CancellationToken) {
    let outbox = Arc::clone(&channels.outbox);
    tokio::select! {
        () = serve(shared.server.new_session(), channels, ended.clone()) => {}
        () = outbox.stalled(shared.patience) => {
            tracing::info!("an SSE session is closed: its stream takes nothing");
            shared.sessions().remove(&id);
            ended.cancel();
            outbox.clear();
        }
    }
}

async fn serve(server: ReferenceServer, channels: Channels, ended: CancellationToken) {
    match server.serve_with_ct(channels, ended).await {
        Ok(running) => {
            if let Err(error) = running.waiting().await {
                tracing::error!(%error, "an SSE session broke down");
            }
        }
        Err(error) => tracing::debug!(%error, "an SSE session was not established"),
    }
}

#[derive(Deserialize)]
struct Addressed {
    #[serde(rename = "sessionId")]
    session: String,
}

async fn accept(
    State(shared): State<Arc<Shared>>,
    Query(Addressed { session }): Query<Addressed>,
    mut parts: Parts,
    body: Bytes,
) -> Response {
    let under_way = parts.extensions.remove();
    let Some(Inbox { messages, outbox }) = shared.sessions().get(&session).cloned() else {
        return (StatusCode::NOT_FOUND, "Not Found: no such session").into_response();
    };
    let Ok(mut message) = serde_json::from_slice::<ClientJsonRpcMessage>(&body) else {
        return (StatusCode::BAD_REQUEST, "Bad Request: not one JSON-RPC message").into_response();
    };
    let mut entered = None;
    // As over Streamable HTTP, so that handlers find the sender.
    match &mut message {
        ClientJsonRpcMessage::Request(request) => {
            let place = match outbox.enter(&request.id, under_way) {
                Ok(place) => place,
                Err(refused) => return refused.into_response(),
            };
            entered = Some(request.id.clone());
            let id = request.id.clone();
            let extensions = request.request.extensions_mut();
            extensions.insert(parts);
            extensions.insert(Arc::new(Handled::new(&outbox, id, place)));
        }
        ClientJsonRpcMessage::Notification(notification) => {
            notification.notification.extensions_mut().insert(parts);
        }
        _ => {}
    }
    let sent = messages.try_send(message);
    if let (Err(_), Some(id)) = (&sent, &entered) {
        outbox.leave(id);
    }
    match sent {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(mpsc::error::TrySendError::Full(_)) => {
            (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests: earlier messages wait").into_response()
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            (StatusCode::NOT_FOUND, "Not Found: no such session").into_response()
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Full => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests: earlier requests are under way"),
            Self::Repeated => (StatusCode::BAD_REQUEST, "Bad Request: a request with this id is under way"),
        }
        .into_response()
    }
}

/// A session's messages as rmcp takes and gives them.
struct Channels {
    incoming: mpsc::Receiver<ClientJsonRpcMessage>,
    outgoing: mpsc::Sender<Outgoing>,
    outbox: Arc<Outbox>,
}

/// The client's stream has ended.
#[derive(Debug, thiserror::Error)]
#[error("the stream has ended")]
struct Ended;

impl Transport<RoleServer> for Channels {
    type Error = Ended;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Ended>> + Send + 'static {
        let (outgoing, item) = (self.outgoing.clone(), self.outbox.outgoing(item));
        async move { outgoing.send(item).await.map_err(|_| Ended) }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let message = self.incoming.recv().await?;
        if let ClientJsonRpcMessage::Notification(notification) = &message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(id) = &cancelled.params.request_id
        {
            // rmcp answers it no more; an answer that is given already keeps its place.
            self.outbox.leave(id);
        }
        Some(message)
    }

    async fn close(&mut self) -> Result<(), Ended> {
        self.incoming.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
