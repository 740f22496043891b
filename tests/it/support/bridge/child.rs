//! One server on standard streams, and the HTTP streams that wait for its messages.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::{
        Mutex as AsyncMutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

pub(super) struct Child {
    stdin: AsyncMutex<ChildStdin>,
    routes: Mutex<Routes>,
    _process: tokio::process::Child,
}

#[derive(Default)]
struct Routes {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    standalone: Option<UnboundedSender<Value>>,
}

/// A request under way. Several clients share the stateless child, so ids and progress tokens are the bridge's own.
struct Waiting {
    id: Value,
    progress: Option<Value>,
    to: UnboundedSender<Value>,
}

/// What the child sends for one request, or outside of requests.
pub(super) struct Stream {
    messages: UnboundedReceiver<Value>,
    request: Option<(Arc<Child>, u64)>,
    ended: bool,
    cancels: bool,
}

impl Stream {
    pub(super) async fn next(&mut self) -> Option<Value> {
        if self.ended {
            return None;
        }
        let message = self.messages.recv().await?;
        self.ended = self.request.is_some() && message.get("method").is_none();
        Some(message)
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some((child, id)) = self.request.take().filter(|_| !self.ended) else {
            return;
        };
        child.routes.lock().unwrap().waiting.remove(&id);
        // In the stateless era a client that goes cancels; the legacy one says so itself.
        if self.cancels {
            let cancelled =
                json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
            tokio::spawn(async move { child.write(&cancelled).await });
        }
    }
}

impl Child {
    pub(super) fn start(command: &[String]) -> Arc<Self> {
        let mut process = Command::new(&command[0])
            .args(&command[1..])
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let child = Arc::new(Self { stdin: AsyncMutex::new(stdin), routes: Mutex::default(), _process: process });
        tokio::spawn(read(stdout, Arc::downgrade(&child)));
        child
    }

    pub(super) async fn write(&self, message: &Value) {
        let mut stdin = self.stdin.lock().await;
        let _ = stdin.write_all(format!("{message}\n").as_bytes()).await;
        let _ = stdin.flush().await;
    }

    /// Sends a request; `cancels` when the client's going is to cancel it.
    pub(super) async fn request(self: Arc<Self>, mut message: Value, cancels: bool) -> Stream {
        let (to, messages) = unbounded_channel();
        let id = {
            let mut routes = self.routes.lock().unwrap();
            routes.last += 1;
            let id = routes.last;
            let progress =
                message.pointer_mut("/params/_meta/progressToken").map(|token| std::mem::replace(token, json!(id)));
            let client_id = std::mem::replace(&mut message["id"], json!(id));
            routes.waiting.insert(id, Waiting { id: client_id, progress, to });
            id
        };
        self.write(&message).await;
        Stream { messages, request: Some((self, id)), ended: false, cancels }
    }

    pub(super) fn listen(&self) -> Stream {
        let (to, messages) = unbounded_channel();
        self.routes.lock().unwrap().standalone = Some(to);
        Stream { messages, request: None, ended: false, cancels: false }
    }
}

async fn read(stdout: ChildStdout, child: std::sync::Weak<Child>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(child) = child.upgrade() else { return };
        let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not MCP on stdout: {error}: {line}"));
        child.routes.lock().unwrap().deliver(message);
    }
    // Nothing more comes: whoever waits is told by the end of its stream.
    if let Some(child) = child.upgrade() {
        let mut routes = child.routes.lock().unwrap();
        routes.waiting.clear();
        routes.standalone = None;
    }
}

impl Routes {
    fn deliver(&mut self, mut message: Value) {
        if message.get("method").is_none() {
            let Some(waiting) = message["id"].as_u64().and_then(|id| self.waiting.remove(&id)) else {
                return;
            };
            message["id"] = waiting.id.clone();
            if let Some(subscription) = message.pointer_mut("/result/_meta").and_then(|meta| meta.get_mut(SUBSCRIPTION))
            {
                *subscription = waiting.id.clone();
            }
            let _ = waiting.to.send(message);
            return;
        }
        if let Some(token) = message.pointer_mut("/params/progressToken") {
            if let Some(waiting) = token.as_u64().and_then(|id| self.waiting.get(&id)) {
                *token = waiting.progress.clone().unwrap_or_default();
                let _ = waiting.to.send(message);
            }
            return;
        }
        if let Some(subscription) = message.pointer_mut("/params/_meta").and_then(|meta| meta.get_mut(SUBSCRIPTION)) {
            if let Some(waiting) = subscription.as_u64().and_then(|id| self.waiting.get(&id)) {
                *subscription = waiting.id.clone();
                let _ = waiting.to.send(message);
            }
            return;
        }
        // Standard streams do not tell which request such a message belongs to; the latest is the likeliest.
        let latest = self.waiting.values().next_back().map(|waiting| &waiting.to);
        if let Some(to) = latest.or(self.standalone.as_ref()) {
            let _ = to.send(message);
        }
    }
}
