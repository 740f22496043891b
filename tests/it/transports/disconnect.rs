//! A client that goes away: in the modern era that cancels its request, in the legacy one it does not.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{POLICIES, answer, door_to, event, once, pause_ms, ready, stream_head};
use crate::support::{
    door::{Door, Setup},
    parts,
    rpc::{Client, LEGACY, Message, meta},
    upstream::{Era, Front, Recorded, Scripted, Step},
};

/// Sends a message on a plain connection, waits until `sent` resolves, and goes.
async fn leave_after(door: &Door, message: &Message, sent: impl Future<Output = ()>) {
    let mut head = format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", message.body.len());
    for (name, value) in &message.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(door.address()).await.unwrap();
    stream.write_all(format!("{head}\r\n{}", message.body).as_bytes()).await.unwrap();
    sent.await;
}

/// The same, but the first event is read before.
async fn leave_stream(door: &Door, message: &Message) {
    let mut head = format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", message.body.len());
    for (name, value) in &message.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(door.address()).await.unwrap();
    stream.write_all(format!("{head}\r\n{}", message.body).as_bytes()).await.unwrap();
    let mut seen = vec![];
    while !String::from_utf8_lossy(&seen).contains("notifications/progress") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
    }
}

fn legacy_call(session: &str, tool: &str, params: Value) -> Message {
    let mut all = json!({ "name": tool, "arguments": {} });
    all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", LEGACY.to_owned()),
        ("mcp-session-id", session.to_owned()),
    ];
    Message { headers, body: json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": all }).to_string() }
}

fn is_call(request: &Recorded) -> bool {
    request.method() == "tools/call"
}

/// Waits for a further call and gives its connection.
async fn further(upstream: &Scripted, before: usize) -> usize {
    let seen = upstream.wait(|requests| requests.iter().filter(|request| is_call(request)).count() > before).await;
    seen.iter().rfind(|request| is_call(request)).unwrap().connection
}

fn progress() -> Step {
    event(&json!({ "jsonrpc": "2.0", "method": "notifications/progress",
        "params": { "progressToken": "p", "progress": 1 } }))
}

#[tokio::test]
async fn a_modern_client_that_leaves_closes_its_call_upstream() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = door_to(&format!("url: {}", upstream.url)).await;
    ready(&Client::modern(&door.url, None)).await;
    let before = upstream.calls().iter().filter(|request| is_call(request)).count();
    upstream.script([once("tools/call", vec![pause_ms(60_000)])]);
    let sent = async {
        further(&upstream, before).await;
    };
    leave_after(&door, &Message::call("echo", json!({})), sent).await;
    let connection = further(&upstream, before).await;
    assert!(upstream.ends(connection, Duration::from_secs(5)).await, "the call goes on");

    upstream.script([once("tools/call", vec![stream_head(), progress(), pause_ms(60_000)])]);
    let mut asked = meta();
    asked["progressToken"] = json!("p");
    let call = Message::modern("tools/call", json!({ "name": "echo", "arguments": {}, "_meta": asked }));
    leave_stream(&door, &call).await;
    let connection = further(&upstream, before + 1).await;
    assert!(upstream.ends(connection, Duration::from_secs(5)).await, "the stream goes on");
    door.wait_audit(|records| records.iter().filter(|record| record["code"] == "downstream.closed").count() == 2).await;
}

#[tokio::test]
async fn a_modern_client_that_leaves_resets_its_stream_upstream() {
    let upstream = Scripted::start(Era::Modern).await;
    let front = Front::http2(&upstream).await;
    let door = door_to(&format!("url: \"http://{}/mcp\", http2: always", front.address)).await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    let before = upstream.calls().iter().filter(|request| is_call(request)).count();
    upstream.script([once("tools/call", vec![pause_ms(60_000)])]);
    let sent = async {
        further(&upstream, before).await;
    };
    leave_after(&door, &Message::call("echo", json!({})), sent).await;
    let connection = further(&upstream, before).await;
    assert!(upstream.ends(connection, Duration::from_secs(5)).await, "the stream goes on");
    assert_eq!(client.call("echo", json!({})).await.status, 200, "others go on");
}

#[tokio::test]
async fn a_legacy_client_that_leaves_does_not_cancel_its_call() {
    let upstream = Scripted::start(Era::Legacy).await;
    let door = door_to(&format!("url: {}", upstream.url)).await;
    let client = Client::legacy(&door.url, None).await;
    ready(&client).await;
    let session = client.session.clone().unwrap();
    let count = || upstream.calls().iter().filter(|request| is_call(request)).count();
    let before = count();
    let text = json!({ "content": [{ "type": "text", "text": "late" }] });
    upstream.script([once("tools/call", vec![pause_ms(1500), answer(&text)])]);
    let sent = async {
        further(&upstream, before).await;
    };
    leave_after(&door, &legacy_call(&session, "echo", json!({})), sent).await;
    let connection = further(&upstream, before).await;
    assert!(!upstream.ends(connection, Duration::from_secs(1)).await, "the call was cancelled");
    // It ends as if nothing had happened.
    let ended = |records: &[Value], count: usize| {
        let ids: Vec<&Value> = records
            .iter()
            .filter(|record| record["method"] == "tools/call" && record["kind"] == "decision")
            .map(|record| &record["decision_id"])
            .collect();
        let outcome = |id: &&Value| records.iter().any(|r| r["kind"] == "outcome" && r["decision_id"] == **id);
        ids.iter().filter(|id| outcome(id)).count() == count
    };
    door.wait_audit(|records| ended(records, before + 1)).await;

    let late = json!({ "jsonrpc": "2.0", "id": 1, "result": text });
    upstream.script([once("tools/call", vec![stream_head(), progress(), pause_ms(1500), event(&late), Step::Close])]);
    leave_stream(&door, &legacy_call(&session, "echo", json!({ "_meta": { "progressToken": "p" } }))).await;
    let connection = further(&upstream, before + 1).await;
    assert!(!upstream.ends(connection, Duration::from_secs(1)).await, "the stream was cancelled");
    let records = door.wait_audit(|records| ended(records, before + 2)).await;
    assert!(records.iter().all(|record| record["code"] != "downstream.closed"), "{records:?}");
}

#[tokio::test]
async fn a_legacy_call_that_nobody_hears_is_waited_for_and_recorded() {
    let upstream = Scripted::start(Era::Legacy).await;
    let mut door = door_to(&format!("url: {}", upstream.url)).await;
    let client = Client::legacy(&door.url, None).await;
    ready(&client).await;
    let done = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [] } });
    let progress =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": 1 } });
    let steps = vec![stream_head(), event(&progress), pause_ms(2000), event(&done), Step::Close];
    upstream.script([once("tools/call", steps)]);
    // The handshake and the warm call are through.
    let before = door.wait_audit(|records| count(records, "outcome") >= 3).await;
    let (decisions, outcomes) = (count(&before, "decision"), count(&before, "outcome"));
    let message =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo", "arguments": {} } });
    let request = client.prepared(http::Method::POST).header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream").body(message.to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    drop(client);
    tokio::time::sleep(Duration::from_millis(200)).await;
    door.process.signal(rustix::process::Signal::TERM);
    assert_eq!(door.process.exit_code(Duration::from_secs(10)).await, Some(0));
    let records = door.audit();
    assert_eq!(count(&records, "decision") - decisions, 1, "{records:?}");
    let ended: Vec<_> = records.iter().filter(|record| record["kind"] == "outcome").skip(outcomes).collect();
    assert_eq!(ended.len(), 1, "the drain waited for its outcome: {records:?}");
    assert!(ended[0].get("code").is_none(), "it ran to its end: {}", ended[0]);
}

fn count(records: &[Value], kind: &str) -> usize {
    records.iter().filter(|record| record["kind"] == kind).count()
}

#[tokio::test]
async fn a_child_is_not_started_for_somebody_who_is_refused_whatever_it_offers() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("lines.jsonl");
    let script = parts::script("python/recording_server.py").display().to_string();
    let setup = Setup::wrap_listen().policies("forbid(principal, action, resource);").audit();
    let door = setup.command(&["python3", &script, &record.display().to_string()]).start().await;
    let client = Client::modern(&door.url, None);
    for _ in 0..2 {
        assert_eq!(client.request("tools/list", json!({})).await.code(), "authz.denied");
        assert_eq!(client.call("echo", json!({})).await.code(), "authz.denied");
    }
    assert!(lines(&record).is_empty(), "nothing was asked: {:?}", lines(&record));
}

/// A door in front of a child that records its lines, and the record.
async fn recorded() -> (Door, PathBuf) {
    let folder = tempfile::Builder::new().prefix("doorward-record-").tempdir().unwrap().keep();
    let record = folder.join("lines.jsonl");
    let script = parts::script("python/recording_server.py");
    let (script, path) = (script.display().to_string(), record.display().to_string());
    let setup = Setup::wrap_listen().policies(POLICIES).audit();
    (setup.command(&["python3", &script, &path]).start().await, record)
}

fn lines(record: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(record).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn wait_line(record: &PathBuf, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if let Some(found) = lines(record).into_iter().find(&wanted) {
            return Some(found);
        }
        if tokio::time::Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn hangs(line: &Value) -> bool {
    line["params"]["name"] == "hang"
}

fn cancels(line: &Value) -> bool {
    line["method"] == "notifications/cancelled"
}

#[tokio::test]
async fn a_modern_client_that_leaves_cancels_its_call_of_a_child() {
    let (door, record) = recorded().await;
    let sent = async {
        wait_line(&record, Duration::from_secs(20), hangs).await.expect("the call");
    };
    leave_after(&door, &Message::call("hang", json!({})), sent).await;
    let cancelled = wait_line(&record, Duration::from_secs(5), cancels).await.expect("a cancellation");
    let call = lines(&record).into_iter().find(hangs).unwrap();
    assert_eq!(cancelled["params"]["requestId"], call["id"], "under the child's own id");
    let call = Client::modern(&door.url, None).call("echo", json!({})).await;
    assert_eq!(call.status, 200, "the child serves on: {}", call.body);
    std::fs::remove_dir_all(record.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_legacy_client_that_leaves_does_not_cancel_its_call_of_a_child() {
    let (door, record) = recorded().await;
    let client = Client::legacy(&door.url, None).await;
    let session = client.session.clone().unwrap();
    let sent = async {
        wait_line(&record, Duration::from_secs(20), hangs).await.expect("the call");
    };
    leave_after(&door, &legacy_call(&session, "hang", json!({})), sent).await;
    assert_eq!(wait_line(&record, Duration::from_secs(1), cancels).await, None);
    // Saying so cancels it.
    let said = client.notify("notifications/cancelled", json!({ "requestId": 1 })).await;
    assert_eq!(said.status, 202, "{}", said.body);
    let cancelled = wait_line(&record, Duration::from_secs(5), cancels).await.expect("a cancellation");
    assert_eq!(cancelled["params"]["requestId"], lines(&record).into_iter().find(hangs).unwrap()["id"]);
    std::fs::remove_dir_all(record.parent().unwrap()).unwrap();
}
