//! A small HTTP front for a server on standard streams, so that the conformance suite, which speaks HTTP only, can test
//! one. It is part of the tests and shares nothing with Doorward.
//!
//! What HTTP itself asks is the bridge's own: statuses, sessions (one child per `initialize`; one more child for the
//! stateless era), and refusing foreign hosts. Everything inside a message is the server's; only ids are exchanged.

mod child;

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use child::{Child, Stream};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A running bridge; it and its children end with it.
pub(crate) struct Bridge {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

struct Shared {
    command: Vec<String>,
    stateless: Mutex<Option<Arc<Child>>>,
    sessions: Mutex<HashMap<String, Arc<Child>>>,
    next: AtomicUsize,
}

impl Bridge {
    /// Serves what `command` starts.
    pub(crate) async fn start(command: Vec<String>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            command,
            stateless: Mutex::default(),
            sessions: Mutex::default(),
            next: AtomicUsize::new(1),
        });
        let app = Router::new()
            .route("/mcp", post(send).get(standalone).delete(end))
            .layer(axum::middleware::from_fn(local_only))
            .with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, task }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn local_only(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    if local(request.headers()) { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
}

fn local(headers: &HeaderMap) -> bool {
    ["host", "origin"].into_iter().filter_map(|name| headers.get(name)).all(|value| {
        let host = value.to_str().ok().and_then(|value| value.trim_start_matches("http://").split(':').next());
        matches!(host, Some("127.0.0.1" | "localhost"))
    })
}

impl Shared {
    fn stateless(&self) -> Arc<Child> {
        let mut child = self.stateless.lock().unwrap();
        Arc::clone(child.get_or_insert_with(|| Child::start(&self.command)))
    }

    fn session(&self, headers: &HeaderMap) -> Result<Arc<Child>, StatusCode> {
        let id = headers.get("mcp-session-id").ok_or(StatusCode::BAD_REQUEST)?;
        let id = id.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
        self.sessions.lock().unwrap().get(id).cloned().ok_or(StatusCode::NOT_FOUND)
    }

    fn begin_session(&self) -> (String, Arc<Child>) {
        let id = format!("bridge-{}", self.next.fetch_add(1, Ordering::SeqCst));
        let child = Child::start(&self.command);
        self.sessions.lock().unwrap().insert(id.clone(), Arc::clone(&child));
        (id, child)
    }
}

async fn send(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let named = headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
    let meta = &message["params"]["_meta"];
    let own = meta[VERSION].as_str();
    if own.is_some() || named.is_some_and(|version| version >= "2026-07-28") {
        if own.is_some() && own != named {
            let error = json!({ "code": -32020, "message": "MCP-Protocol-Version does not match _meta" });
            let body = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
            return (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
        }
        let complete = own.is_some() && meta[CAPABILITIES].is_object();
        return answer(shared.stateless().request(message, true).await, |first| status(first, complete)).await;
    }
    if message["method"] == "initialize" {
        let (id, child) = shared.begin_session();
        let mut response = answer(child.request(message, false).await, |_| StatusCode::OK).await;
        response.headers_mut().insert("mcp-session-id", id.parse().unwrap());
        return response;
    }
    match shared.session(&headers) {
        Err(status) => status.into_response(),
        Ok(child) if message.get("id").is_some() && message.get("method").is_some() => {
            answer(child.request(message, false).await, |_| StatusCode::OK).await
        }
        Ok(child) => {
            child.write(&message).await;
            StatusCode::ACCEPTED.into_response()
        }
    }
}

/// The status that the stateless era gives an answer (revision 2026-07-28, Streamable HTTP).
fn status(message: &Value, complete: bool) -> StatusCode {
    match message["error"]["code"].as_i64() {
        Some(-32601) => StatusCode::NOT_FOUND,
        Some(-32022..=-32020) => StatusCode::BAD_REQUEST,
        Some(-32602) if !complete => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// A single message as JSON, more of them as a stream.
async fn answer(mut stream: Stream, status: impl Fn(&Value) -> StatusCode) -> Response {
    let Some(first) = stream.next().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if stream.ended() {
        return (status(&first), axum::Json(first)).into_response();
    }
    events(Some(first), stream)
}

fn events(first: Option<Value>, stream: Stream) -> Response {
    let messages = futures_util::stream::unfold((first, stream), |(first, mut stream)| async move {
        let message = match first {
            Some(first) => first,
            None => stream.next().await?,
        };
        Some((Ok::<_, Infallible>(Event::default().data(message.to_string())), (None, stream)))
    });
    Sse::new(messages).into_response()
}

async fn standalone(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match shared.session(&headers) {
        // A modern client has no session, and no stream of its own.
        Err(StatusCode::BAD_REQUEST) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Err(status) => status.into_response(),
        Ok(child) => events(None, child.listen()),
    }
}

async fn end(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> StatusCode {
    let found = shared.session(&headers);
    if let (Ok(_), Some(id)) = (&found, headers.get("mcp-session-id").and_then(|id| id.to_str().ok())) {
        shared.sessions.lock().unwrap().remove(id);
    }
    found.err().unwrap_or(StatusCode::OK)
}
