//! HTTP+SSE of revision 2024-11-05, with real clients and by hand.

use std::time::Duration;

use serde_json::{Value, json};

use super::subscriptions::Events;
use crate::support::{
    clients::{Mode, Target, call, inspector, python_sdk},
    upstream::Server,
};

async fn server() -> (Server, String) {
    let server = Server::reference_with(|command| command.arg("--legacy-sse")).await;
    let base = server.url.trim_end_matches("/mcp").to_owned();
    (server, base)
}

pub(super) struct Stream {
    http: reqwest::Client,
    events: Events,
    messages: String,
}

impl Stream {
    pub(super) async fn open(base: &str) -> Self {
        let http = reqwest::Client::new();
        let mut events = Events::open(http.get(format!("{base}/sse"))).await;
        events.until_text("sessionId=").await;
        let endpoint = events.text().lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
        assert!(events.text().starts_with("event: endpoint\n"), "{}", events.text());
        let id = endpoint.strip_prefix("/messages?sessionId=").unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        Self { http, events, messages: format!("{base}{endpoint}") }
    }

    async fn post(&self, body: String) -> u16 {
        let request = self.http.post(&self.messages).header("content-type", "application/json").body(body);
        request.send().await.unwrap().status().as_u16()
    }

    pub(super) async fn send(&self, message: Value) {
        assert_eq!(self.post(message.to_string()).await, 202);
    }

    pub(super) async fn answer(&mut self, id: u64) -> Value {
        let messages = self.events.until_one(|message| message["id"] == id && message.get("method").is_none()).await;
        messages.into_iter().find(|message| message["id"] == id && message.get("method").is_none()).unwrap()
    }

    pub(super) async fn initialize(&mut self, capabilities: Value) {
        let info = json!({ "name": "doorward-tests", "version": "1" });
        let params = json!({ "protocolVersion": "2024-11-05", "capabilities": capabilities, "clientInfo": info });
        self.send(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })).await;
        assert_eq!(self.answer(0).await["result"]["protocolVersion"], "2024-11-05");
        self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }
}

#[tokio::test]
async fn real_clients_work_over_the_older_transport() {
    let (_server, base) = server().await;
    let url = format!("{base}/sse");
    let steps = json!([
        call("document_create", json!({ "path": "a", "content": "bread" })),
        call("document_search", json!({ "query": "bread" })),
        ["read", "doc://a"],
    ]);
    let seen = python_sdk(&Target::Sse(&url), Mode::Legacy, steps).await;
    assert_eq!(seen.ok(1)["structuredContent"]["hits"][0]["path"], "a", "{:?}", seen.steps);
    assert_eq!(seen.ok(2)["contents"][0]["text"], "bread");
    let (listed, finished) = inspector(&Target::Sse(&url), &["--method", "tools/list"]).await;
    let listed = listed.unwrap_or_else(|| panic!("{}\n{}", finished.stdout, finished.stderr));
    assert!(listed["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "document_create"), "{listed}");
}

#[tokio::test]
async fn progress_and_questions_come_on_the_stream() {
    let (_server, base) = server().await;
    let mut stream = Stream::open(&base).await;
    stream.initialize(json!({ "sampling": {} })).await;
    let params = json!({ "name": "test_tool_with_progress", "_meta": { "progressToken": "p" } });
    stream.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })).await;
    stream.answer(1).await;
    let reports = stream.events.messages().iter().filter(|message| message["params"]["progressToken"] == "p").count();
    assert_eq!(reports, 3, "{}", stream.events.text());
    let params = json!({ "name": "test_sampling", "arguments": { "prompt": "say it" } });
    stream.send(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params })).await;
    let messages = stream.events.until_one(|message| message["method"] == "sampling/createMessage").await;
    let question = messages.iter().find(|message| message["method"] == "sampling/createMessage").unwrap();
    let content = json!({ "type": "text", "text": "said" });
    let result = json!({ "role": "assistant", "model": "m", "content": content });
    stream.send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).await;
    assert_eq!(stream.answer(2).await["result"]["content"][0]["text"], "LLM response: said");
}

#[tokio::test]
async fn session_ends_with_its_stream() {
    let (_server, base) = server().await;
    let mut stream = Stream::open(&base).await;
    stream.initialize(json!({})).await;
    assert_eq!(stream.post("no message".to_owned()).await, 400);
    assert_eq!(stream.post("[]".to_owned()).await, 400);
    let messages = stream.messages.clone();
    drop(stream);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    for _ in 0..100 {
        let request = reqwest::Client::new().post(&messages).body(ping.clone());
        if request.send().await.unwrap().status() == 404 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the session is still there");
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let (_server, base) = server().await;
    let stream = Stream::open(&base).await;
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example"), ("origin", "null")] {
        let open = stream.http.get(format!("{base}/sse")).header(name, value);
        assert_eq!(open.send().await.unwrap().status(), 403, "{name}: {value}");
        let post = stream.http.post(&stream.messages).header(name, value).body("{}");
        assert_eq!(post.send().await.unwrap().status(), 403, "{name}: {value}");
    }
}

#[tokio::test]
async fn sessions_are_bounded() {
    let (_server, base) = server().await;
    let mut streams = vec![];
    for _ in 0..64 {
        streams.push(Stream::open(&base).await);
    }
    let one_more = reqwest::get(format!("{base}/sse")).await.unwrap();
    assert_eq!(one_more.status(), 503);
}

#[tokio::test]
async fn older_transport_is_off_unless_asked_for() {
    let server = Server::reference().await;
    let base = server.url.trim_end_matches("/mcp");
    assert_eq!(reqwest::get(format!("{base}/sse")).await.unwrap().status(), 404);
}
