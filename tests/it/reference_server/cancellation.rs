//! A call that nobody waits for any more ends: its connection dropped in the stateless era, cancelled over standard streams.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{done, refusal};
use crate::support::{
    postgres::Postgres,
    process::Process,
    rpc::{Client, LEGACY, MODERN, Message, meta},
    stdio::Stdio,
    upstream::Server,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// How long a call is watched that should not end.
const WATCHED: Duration = Duration::from_millis(1_500);

/// Tells in its log when a call begins, and rmcp tells what it ended with.
const TELLING: [&str; 2] = ["--log", "warn,rmcp=debug,doorward_reference_server=debug"];

const CALLED: &str = "called tool=slow_compute";

/// What the log says of a call that was ended, with the id of its request.
fn ended(line: &str) -> bool {
    line.contains("the call was cancelled")
}

async fn logged(process: &Process, wanted: impl Fn(&str) -> bool) {
    let line = process.stderr.wait_line(0, PATIENCE, wanted).await;
    assert!(line.is_some(), "it is not in the log: {}", process.stderr.text());
}

fn slow(progress: bool) -> Value {
    let mut own = meta();
    if progress {
        own["progressToken"] = json!("p");
    }
    json!({ "name": "slow_compute", "arguments": { "seconds": 600 }, "_meta": own })
}

/// A request of the stateless era, not sent yet.
fn prepared(client: &Client, params: Value) -> reqwest::RequestBuilder {
    let message = Message::modern("tools/call", params);
    let request = client.prepared(http::Method::POST).body(message.body);
    message.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

#[tokio::test]
async fn stateless_call_ends_with_its_connection_before_anything_was_answered() {
    let server = Server::reference_with(|command| command.args(TELLING)).await;
    let request = prepared(&Client::modern(&server.url, None), slow(false));
    let calling = tokio::spawn(request.send());
    logged(&server.process, |line| line.contains(CALLED)).await;
    assert!(!server.process.stderr.text().lines().any(ended));
    calling.abort();
    logged(&server.process, ended).await;
}

#[tokio::test]
async fn stateless_call_ends_with_its_connection_while_it_reports() {
    let server = Server::reference_with(|command| command.args(TELLING)).await;
    let mut response = prepared(&Client::modern(&server.url, None), slow(true)).send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("notifications/progress"), "{first:?}");
    assert!(!server.process.stderr.text().lines().any(ended));
    drop(response);
    logged(&server.process, ended).await;
}

/// A lost connection is no cancellation there: the client may come back for the answer.
#[tokio::test]
async fn call_of_a_session_goes_on_without_its_connection() {
    let server = Server::reference_with(|command| command.args(TELLING)).await;
    let client = Client::legacy(&server.url, None).await;
    let request = client.prepared(http::Method::POST).header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream");
    let params = json!({ "name": "slow_compute", "arguments": { "seconds": 600 } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let calling = tokio::spawn(request.body(call.to_string()).send());
    logged(&server.process, |line| line.contains(CALLED)).await;
    calling.abort();
    tokio::time::sleep(WATCHED).await;
    assert!(!server.process.stderr.text().lines().any(ended));
    client.notify("notifications/cancelled", json!({ "requestId": 1 })).await;
    logged(&server.process, ended).await;
}

/// While the documents are held by somebody else, a rebuild waits; whoever comes second is refused.
#[tokio::test(flavor = "multi_thread")]
async fn rebuild_whose_connection_is_dropped_lets_the_next_one_begin() {
    let database = Postgres::start().await;
    let url = database.url();
    let server = Server::reference_with(|command| command.args(TELLING).args(["--database", &url])).await;
    let client = Client::modern(&server.url, None);
    done(&client, "document_create", json!({ "path": "a", "content": "bread" })).await;
    let held = database.hold("LOCK TABLE documents IN ROW EXCLUSIVE MODE").await;
    let rebuild = json!({ "name": "index_rebuild", "arguments": {} });
    let first = tokio::spawn(prepared(&client, rebuild).send());
    logged(&server.process, |line| line.contains("called tool=index_rebuild")).await;
    assert_eq!(refusal(&client.call("index_rebuild", json!({})).await)["code"], "rebuild_running");
    first.abort();
    let begun = Instant::now();
    let next = async {
        let mut refused = Duration::ZERO;
        loop {
            let answer = client.call("index_rebuild", json!({})).await;
            if answer.result()["isError"] != true || refusal(&answer)["code"] != "rebuild_running" {
                return (answer.result().clone(), refused);
            }
            refused = begun.elapsed();
        }
    };
    // It waits in its turn, which the first one gave up long before its own wait was over.
    let release = async {
        tokio::time::sleep(WATCHED).await;
        drop(held);
    };
    let ((rebuilt, refused), ()) = tokio::join!(next, release);
    assert!(refused < WATCHED / 2, "the first one went on for {refused:?}");
    assert_eq!(rebuilt["structuredContent"]["documents"], 1);
}

#[tokio::test]
async fn cancelled_call_over_standard_streams_ends_without_an_answer() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY, MODERN] {
        let mut client = Stdio::start_with(revision, &TELLING, json!({})).await;
        let params = json!({ "name": "slow_compute", "arguments": { "seconds": 600 } });
        let id = client.begin("tools/call", params).await;
        logged(&client.process, |line| line.contains(CALLED)).await;
        client.notify("notifications/cancelled", json!({ "requestId": id, "reason": "enough" })).await;
        logged(&client.process, ended).await;
        let after = client.request("tools/list", json!({})).await;
        assert_eq!(after.messages.len(), 1, "{revision}: {}", after.body);
        client.process.close_stdin();
        assert_eq!(
            client.process.exit_code(Duration::from_secs(3)).await,
            Some(0),
            "{revision}: it waits for the call"
        );
    }
}
