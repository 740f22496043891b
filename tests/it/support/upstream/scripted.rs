//! A plain TCP server that records every byte it receives and answers by a script, or as a small correct MCP server.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    super::raw::{self, Lines},
    answers,
};

/// Which protocol era a peer speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    #[default]
    Modern,
    Legacy,
}

/// One thing the upstream does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Writes these bytes; `{{id}}` becomes the JSON text of the request's id.
    Send(Vec<u8>),
    Pause(Duration),
    /// Waits while the upstream is held, see [`Scripted::hold`].
    Gate,
    /// Ends the connection after everything was written.
    Close,
}

/// What to answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The JSON-RPC method this answers, or the HTTP method for a body-less request; any request if `None`.
    pub(crate) on: Option<String>,
    pub(crate) steps: Vec<Step>,
    /// How many requests it answers.
    pub(crate) times: usize,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Which connection, from 0.
    pub(crate) connection: usize,
    pub(crate) start: String,
    pub(crate) headers: Lines,
    pub(crate) body: Vec<u8>,
    /// Head and body with framing.
    pub(crate) bytes: Vec<u8>,
}

impl Recorded {
    pub(crate) fn message(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The JSON-RPC method, else the HTTP method.
    pub(crate) fn method(&self) -> String {
        let http = self.start.split(' ').next().unwrap_or_default();
        self.message()["method"].as_str().unwrap_or(http).to_owned()
    }

    /// Whether it is traffic that Doorward originates itself (catalogue, era probe, handshake).
    pub(crate) fn housekeeping(&self) -> bool {
        matches!(
            self.method().as_str(),
            "server/discover"
                | "initialize"
                | "notifications/initialized"
                | "tools/list"
                | "prompts/list"
                | "resources/list"
                | "resources/templates/list"
                | "GET"
                | "DELETE"
        )
    }
}

#[derive(Default)]
struct Inner {
    era: Era,
    bytes: Mutex<Vec<u8>>,
    requests: Mutex<Vec<Recorded>>,
    script: Mutex<VecDeque<Reply>>,
    overrides: Mutex<HashMap<String, Value>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    ended: Mutex<HashSet<usize>>,
    sessions: AtomicUsize,
    holding: tokio::sync::watch::Sender<bool>,
    held: AtomicUsize,
}

/// A running scripted upstream.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    pub(crate) address: String,
    inner: Arc<Inner>,
}

impl Scripted {
    /// Starts one on a free loopback port.
    pub(crate) async fn start(era: Era) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let inner = Arc::new(Inner { era, ..Inner::default() });
        let accepting = inner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = accepting.clone();
                tokio::spawn(async move { inner.serve(stream).await });
            }
        });
        Self { url: format!("http://{address}/mcp"), address, inner }
    }

    pub(crate) fn era(&self) -> Era {
        self.inner.era
    }

    /// Puts replies in front of the default behaviour; each is used up after its `times`.
    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        *self.inner.script.lock().unwrap() = replies.into_iter().collect();
    }

    /// Replaces the result of a method for good.
    pub(crate) fn set_result(&self, method: &str, result: Value) {
        self.inner.overrides.lock().unwrap().insert(method.to_owned(), result);
    }

    /// Every byte received so far, over all connections in order of arrival.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.inner.bytes.lock().unwrap().clone()
    }

    /// Whether these bytes arrived anywhere.
    pub(crate) fn saw(&self, needle: &[u8]) -> bool {
        let bytes = self.bytes();
        !needle.is_empty() && bytes.windows(needle.len()).any(|window| window == needle)
    }

    /// Every complete request so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.inner.requests.lock().unwrap().clone()
    }

    /// The requests that carried a client's message.
    pub(crate) fn calls(&self) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| !request.housekeeping()).collect()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }

    /// Whether a connection has ended, by its number.
    pub(crate) fn has_ended(&self, connection: usize) -> bool {
        self.inner.ended.lock().unwrap().contains(&connection)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.inner.open.load(Ordering::SeqCst)
    }

    /// While it holds, nobody gets past a [`Step::Gate`].
    pub(crate) fn hold(&self, holding: bool) {
        self.inner.holding.send_replace(holding);
    }

    /// How many requests wait at a gate.
    pub(crate) fn held(&self) -> usize {
        self.inner.held.load(Ordering::SeqCst)
    }

    /// Waits until the requests so far satisfy `wanted`.
    pub(crate) async fn wait(&self, wanted: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
        for _ in 0..400 {
            let requests = self.requests();
            if wanted(&requests) {
                return requests;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the upstream saw {:?}", self.requests().iter().map(Recorded::method).collect::<Vec<_>>());
    }

    /// Waits until the connection that carried a request has ended; `false` if it stays.
    pub(crate) async fn ends(&self, connection: usize, patience: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < deadline {
            if self.inner.ended.lock().unwrap().contains(&connection) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Inner {
    async fn serve(&self, mut stream: TcpStream) {
        let connection = self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        let _ = stream.set_nodelay(true);
        let mut pending = vec![];
        while let Some(request) = self.next(&mut stream, &mut pending, connection).await {
            self.requests.lock().unwrap().push(request.clone());
            if !self.answer(&mut stream, &request).await {
                break;
            }
        }
        self.ended.lock().unwrap().insert(connection);
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.ended.lock().unwrap().insert(connection);
    }

    /// Reads the next request; `None` at the end of the connection.
    async fn next(&self, stream: &mut TcpStream, pending: &mut Vec<u8>, connection: usize) -> Option<Recorded> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if let Some((head, rest)) = raw::split_head(pending) {
                let (start, headers) = raw::parse_head(head);
                let body = raw::body(&headers, rest, false, false);
                if body.complete {
                    let used = head.len() + body.used;
                    let bytes = pending.drain(..used).collect();
                    return Some(Recorded { connection, start, headers, body: body.bytes, bytes });
                }
                if headers.get("expect").is_some() && rest.is_empty() {
                    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
                }
            }
            let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            self.bytes.lock().unwrap().extend_from_slice(&buffer[..count]);
            pending.extend_from_slice(&buffer[..count]);
        }
    }

    fn scripted(&self, request: &Recorded) -> Option<Vec<Step>> {
        let method = request.method();
        let mut script = self.script.lock().unwrap();
        let fits = |reply: &Reply| reply.on.as_ref().map_or(!request.housekeeping(), |on| *on == method);
        let position = script.iter().position(fits)?;
        let reply = script.get_mut(position)?;
        reply.times = reply.times.saturating_sub(1);
        let steps = reply.steps.clone();
        if reply.times == 0 {
            script.remove(position);
        }
        Some(steps)
    }

    /// Answers; `false` ends the connection.
    async fn answer(&self, stream: &mut TcpStream, request: &Recorded) -> bool {
        let steps = match self.scripted(request) {
            Some(steps) => steps,
            None => self.default_answer(request),
        };
        let id = request.message()["id"].to_string();
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&replaced(&bytes, b"{{id}}", id.as_bytes())).await.is_err() {
                        return false;
                    }
                }
                Step::Pause(duration) => {
                    let gone = ended(stream);
                    if tokio::time::timeout(duration, gone).await.is_ok() {
                        return false;
                    }
                }
                Step::Gate => {
                    self.held.fetch_add(1, Ordering::SeqCst);
                    let _ = self.holding.subscribe().wait_for(|holding| !holding).await;
                    self.held.fetch_sub(1, Ordering::SeqCst);
                }
                Step::Close => {
                    let _ = stream.shutdown().await;
                    return false;
                }
            }
        }
        true
    }

    fn default_answer(&self, request: &Recorded) -> Vec<Step> {
        let message = request.message();
        let method = request.method();
        if request.start.starts_with("GET ") {
            return match self.era {
                // A silent stream until the client goes.
                Era::Legacy => vec![
                    Step::Send(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                            .to_vec(),
                    ),
                    Step::Pause(Duration::from_secs(600)),
                    Step::Close,
                ],
                Era::Modern => vec![Step::Send(response(405, &[], b""))],
            };
        }
        if request.start.starts_with("DELETE ") {
            return vec![Step::Send(response(if self.era == Era::Legacy { 200 } else { 405 }, &[], b""))];
        }
        // A notification, or a client's answer to a request of the server's.
        if message.get("id").is_none() || message.get("method").is_none() {
            return vec![Step::Send(response(202, &[], b""))];
        }
        let overridden = self.overrides.lock().unwrap().get(&method).cloned();
        let result = overridden.or_else(|| answers::result(&method, &message, self.era));
        let session = format!("upstream-session-{}", self.sessions.load(Ordering::SeqCst));
        let extra: &[(&str, &str)] = if method == "initialize" && self.era == Era::Legacy {
            self.sessions.fetch_add(1, Ordering::SeqCst);
            &[("Mcp-Session-Id", &session)]
        } else {
            &[]
        };
        let (status, body) = match result {
            Some(result) => (200, json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })),
            None => {
                let error = json!({ "code": -32601, "message": "Method not found" });
                let status = if self.era == Era::Modern { 404 } else { 200 };
                (status, json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }))
            }
        };
        vec![Step::Send(response(status, extra, body.to_string().as_bytes()))]
    }
}

/// Resolves when the client has ended the connection.
async fn ended(stream: &TcpStream) {
    let mut byte = [0; 1];
    while stream.peek(&mut byte).await.is_ok_and(|count| count > 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A complete JSON response.
pub(crate) fn response(status: u16, extra: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
    if !body.is_empty() {
        bytes.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in extra {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str("\r\n");
    [bytes.as_bytes(), body].concat()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(position) = rest.windows(from.len()).position(|window| window == from) {
        result.extend_from_slice(&rest[..position]);
        result.extend_from_slice(to);
        rest = &rest[position + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}
