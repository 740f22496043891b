//! A correct, plain client of the reference server on standard streams, of every revision.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    process::Process,
    rpc::{Answer, MODERN, meta},
    upstream::reference_stdio,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One server process, and what it has written so far.
pub(crate) struct Stdio {
    pub(crate) process: Process,
    revision: &'static str,
    /// How much of the server's output has been looked at.
    read: usize,
    /// The id of the next request.
    next: u64,
}

impl Stdio {
    /// A client of this revision; a legacy one is initialized.
    pub(crate) async fn start(revision: &'static str) -> Self {
        Self::start_with(revision, &[], json!({})).await
    }

    /// The same with more arguments for the server, and capabilities of a legacy client.
    pub(crate) async fn start_with(revision: &'static str, arguments: &[&str], capabilities: Value) -> Self {
        let line = reference_stdio();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).args(arguments).env_remove("RUST_LOG").env_remove("REFERENCE_SERVER_DATABASE");
        let process = Process::start("reference server", &mut command);
        let mut client = Self { process, revision, read: 0, next: 0 };
        if client.is_modern() {
            return client;
        }
        let info = json!({ "name": "doorward-tests", "version": "1" });
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": info });
        let answer = client.request("initialize", params).await;
        assert_eq!(answer.result()["protocolVersion"], revision);
        client.notify("notifications/initialized", json!({})).await;
        client
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.revision == MODERN
    }

    pub(crate) async fn write(&mut self, message: &Value) {
        self.process.write(format!("{message}\n").as_bytes()).await;
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// The next line; `None` when none comes within this time.
    pub(crate) async fn line_within(&mut self, patience: Duration) -> Option<Value> {
        let (line, read) = self.process.stdout.wait_line(self.read, patience, |_| true).await?;
        self.read = read;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    pub(crate) async fn line(&mut self) -> Value {
        self.line_within(PATIENCE).await.expect("a line comes")
    }

    /// Reads until a line is `wanted`; all that were read.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut messages = vec![];
        loop {
            let Some(message) = self.line_within(PATIENCE).await else { panic!("it did not come: {messages:?}") };
            let is_wanted = wanted(&message);
            messages.push(message);
            if is_wanted {
                return messages;
            }
        }
    }

    /// Sends a request and does not wait; its id. What `params` says in `_meta` stays beside what the revision asks for.
    pub(crate) async fn begin(&mut self, method: &str, mut params: Value) -> u64 {
        if self.is_modern() {
            let mut own = meta();
            if let Some(more) = params["_meta"].as_object() {
                own.as_object_mut().unwrap().extend(more.clone());
            }
            params["_meta"] = own;
        }
        let id = self.next;
        self.next += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// Reads to the answer of a request; what came before it is among the messages.
    pub(crate) async fn answer(&mut self, id: u64) -> Answer {
        let messages = self.until(|message| message["id"] == id && message.get("method").is_none()).await;
        let message = messages.last().cloned().unwrap();
        let body = json!(messages).to_string();
        Answer { status: 200, headers: http::HeaderMap::new(), body, message, messages }
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Answer {
        let id = self.begin(method, params).await;
        self.answer(id).await
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }
}
