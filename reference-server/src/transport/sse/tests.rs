#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::outbox::UNDER_WAY_MAX;
use super::*;
use crate::state;

/// A session, whose stream is read only as far as a test does.
struct Client {
    stream: BufReader<TcpStream>,
    messages: String,
    http: reqwest::Client,
}

impl Client {
    /// Of a new server that gives an idle stream up after `patience`.
    async fn open(patience: Duration) -> Self {
        let server = ReferenceServer::new(Arc::new(state::Shared::for_tests().await));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = patient_router(server, Hosts::new(&[], Some(address)), CancellationToken::new(), patience);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        let request = format!("GET /sse HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = String::new();
        while !line.starts_with("data: ") {
            line.clear();
            assert_ne!(stream.read_line(&mut line).await.unwrap(), 0);
        }
        let messages = format!("http://{address}{}", line.trim_start_matches("data: ").trim());
        let client = Self { stream, messages, http: reqwest::Client::new() };
        let info = json!({ "name": "tests", "version": "1" });
        let params = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info });
        assert_eq!(client.request("init", "initialize", params).await, 202);
        client.notify("notifications/initialized", json!({})).await;
        client
    }

    async fn post(&self, message: Value) -> u16 {
        self.http.post(&self.messages).body(message.to_string()).send().await.unwrap().status().as_u16()
    }

    async fn request(&self, id: impl Into<Value>, method: &str, params: Value) -> u16 {
        self.post(json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })).await
    }

    async fn call(&self, id: usize, tool: &str, arguments: Value) -> u16 {
        self.request(id, "tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    async fn notify(&self, method: &str, params: Value) {
        assert_eq!(self.post(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await, 202);
    }

    /// Until the answer to this request came.
    async fn answer(&mut self, id: usize) {
        let (mut line, told) = (String::new(), format!("\"id\":{id},"));
        while !line.contains(&told) {
            line.clear();
            assert_ne!(self.stream.read_line(&mut line).await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn requests_under_way_are_bounded_and_a_cancelled_one_makes_room() {
    let client = Client::open(STALL).await;
    let slow = json!({ "seconds": 60 });
    for id in 0..UNDER_WAY_MAX {
        // The answer to `initialize` leaves its place a moment later.
        while client.call(id, "slow_compute", slow.clone()).await != 202 {
            assert_eq!(id, UNDER_WAY_MAX - 1);
        }
    }
    assert_eq!(client.call(99, "slow_compute", slow.clone()).await, 429);
    assert_eq!(client.call(3, "slow_compute", slow.clone()).await, 400, "an id that is under way");
    client.notify("notifications/cancelled", json!({ "requestId": 3 })).await;
    for _ in 0..100 {
        if client.call(99, "slow_compute", slow.clone()).await == 202 {
            assert_eq!(client.call(100, "slow_compute", slow).await, 429);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the cancelled request keeps its place");
}

#[tokio::test]
async fn answer_that_was_taken_makes_room() {
    let mut client = Client::open(STALL).await;
    for id in 0..3 * UNDER_WAY_MAX {
        assert_eq!(client.request(id, "tools/list", json!({})).await, 202);
        client.answer(id).await;
    }
}

#[tokio::test]
async fn session_whose_stream_takes_nothing_is_closed() {
    let mut client = Client::open(Duration::from_millis(400)).await;
    let content = "x".repeat(1 << 20);
    assert_eq!(client.call(1, "document_create", json!({ "path": "a", "content": content })).await, 202);
    client.answer(1).await;
    // Far more than sockets hold.
    for id in 2..200 {
        if client.call(id, "document_read", json!({ "path": "a" })).await == 404 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the session is still there");
}

#[tokio::test]
async fn idle_session_stays() {
    let client = Client::open(Duration::from_millis(100)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client.request(1, "ping", json!({})).await, 202);
}

#[tokio::test]
async fn a_handler_that_breaks_down_frees_its_place() {
    let (outbox, _queue) = Outbox::new(BACKLOG);
    let id = |number: i64| rmcp::model::RequestId::Number(number);
    for number in 0..40 {
        let place = outbox.enter(&id(number), None).unwrap();
        let handled = Arc::new(Handled::new(&outbox, id(number), place));
        let handler = tokio::spawn(async move {
            let _handled = handled;
            tokio::task::yield_now().await;
            panic!("a handler breaks down");
        });
        assert!(handler.await.unwrap_err().is_panic());
    }
    // One that ends well keeps it until its answer was sent.
    let place = outbox.enter(&id(1), None).unwrap();
    drop(Handled::new(&outbox, id(1), place));
    assert!(outbox.enter(&id(1), None).is_err());
}
