//! Upstreams that close, stay silent or cannot be reached: each has its code, and nothing is sent twice.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{answer, done, door_to, event, once, pause_ms, ready, stream_head};
use crate::support::{
    door::Door,
    rpc::Client,
    upstream::{Era, Reply, Scripted, Step},
};

async fn start(more: &str) -> (Scripted, Door, Client) {
    let upstream = Scripted::start(Era::Modern).await;
    let door = door_to(&format!("url: {}{more}", upstream.url)).await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    (upstream, door, client)
}

fn calls(upstream: &Scripted) -> usize {
    upstream.calls().len()
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_meanwhile_is_not_seen_by_the_client() {
    let (upstream, _door, client) = start("").await;
    let before = calls(&upstream);
    // It promises to stay (HTTP/1.1 without `Connection: close`), and goes.
    upstream.script([Reply {
        on: Some("tools/call".to_owned()),
        steps: vec![answer(&done()), Step::Close],
        times: 20,
    }]);
    for _ in 0..20 {
        let answer = client.call("echo", json!({ "message": "once" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(calls(&upstream) - before, 20, "each was sent once");
}

#[tokio::test]
async fn a_connection_is_used_again_while_it_stands() {
    let (upstream, _door, client) = start("").await;
    let connections = upstream.connections();
    for _ in 0..10 {
        assert_eq!(client.call("echo", json!({ "message": "x" })).await.status, 200);
    }
    assert_eq!(upstream.connections(), connections);
}

#[tokio::test]
async fn a_call_whose_connection_dies_is_not_sent_again() {
    let (upstream, door, client) = start("").await;
    for reused in [true, false] {
        let before = calls(&upstream);
        if !reused {
            // Whatever was pooled is used up.
            upstream.script([once("tools/call", vec![answer(&done()), Step::Close])]);
            assert_eq!(client.call("echo", json!({ "message": "x" })).await.status, 200);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let own = calls(&upstream);
        upstream.script([once("tools/call", vec![Step::Close])]);
        let answer = client.call("echo", json!({ "message": "once" })).await;
        assert_eq!((answer.status, answer.code()), (502, "upstream.closed"), "{}", answer.body);
        assert_eq!(calls(&upstream) - own, 1, "reused: {reused}, before: {before}");
        // Nor where the answer had begun.
        let own = calls(&upstream);
        let cut =
            Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{".to_vec());
        upstream.script([once("tools/call", vec![cut, Step::Close])]);
        let answer = client.call("echo", json!({ "message": "once" })).await;
        assert_eq!((answer.status, answer.code()), (502, "upstream.closed"), "{}", answer.body);
        assert_eq!(calls(&upstream) - own, 1, "reused: {reused}");
    }
    let outcome = |record: &serde_json::Value| record["kind"] == "outcome" && record["code"] == "upstream.closed";
    door.wait_audit(|records| records.iter().filter(|record| outcome(record)).count() == 4).await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_its_code() {
    let (upstream, _door, client) = start("").await;
    let chunked = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let own = calls(&upstream);
    upstream
        .script([once("tools/call", vec![Step::Send(chunked), Step::Send(b"5\r\n: hi\n\r\n".to_vec()), Step::Close])]);
    let answer = client.call("echo", json!({ "message": "once" })).await;
    assert_eq!((answer.status, answer.code()), (200, "upstream.closed"), "{}", answer.body);
    assert_eq!(calls(&upstream) - own, 1);
}

#[tokio::test]
async fn a_list_whose_connection_dies_is_not_sent_again_either() {
    let (upstream, _door, client) = start("").await;
    let asked = || upstream.requests().iter().filter(|request| request.method() == "prompts/list").count();
    let before = asked();
    upstream.script([once("prompts/list", vec![Step::Close])]);
    let answer = client.request("prompts/list", json!({})).await;
    assert_eq!((answer.status, answer.code()), (502, "upstream.closed"), "{}", answer.body);
    assert_eq!(asked() - before, 1);
    assert_eq!(client.request("prompts/list", json!({})).await.names(), ["greet"], "the client may ask again");
}

#[tokio::test]
async fn a_silent_upstream_times_out_before_its_first_byte() {
    let (upstream, door, client) = start(", first_byte_timeout: 500ms").await;
    let own = calls(&upstream);
    upstream.script([once("tools/call", vec![pause_ms(30_000)])]);
    let begin = Instant::now();
    let answer = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!((answer.status, answer.code()), (504, "upstream.timeout"), "{}", answer.body);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(500) && waited < Duration::from_secs(10), "{waited:?}");
    let seen = upstream.calls();
    assert_eq!(seen.len() - own, 1);
    assert!(upstream.ends(seen.last().unwrap().connection, Duration::from_secs(5)).await, "nobody waits for it");
    door.wait_audit(|records| records.iter().any(|record| record["code"] == "upstream.timeout")).await;
}

#[tokio::test]
async fn silence_within_an_answer_times_out() {
    let (upstream, _door, client) = start(", idle_timeout: 500ms").await;
    let begun =
        Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{".to_vec());
    upstream.script([once("tools/call", vec![begun, pause_ms(30_000)])]);
    let answer = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!((answer.status, answer.code()), (504, "upstream.timeout"), "{}", answer.body);
}

#[tokio::test]
async fn silence_within_a_stream_that_answers_times_out() {
    let (upstream, _door, client) = start(", idle_timeout: 1s").await;
    let comment = || Step::Send(b": alive\n\n".to_vec());
    // A comment is a sign of life; then there is none.
    let steps = vec![stream_head(), comment(), pause_ms(700), comment(), pause_ms(700), comment(), pause_ms(30_000)];
    upstream.script([once("tools/call", steps)]);
    let begin = Instant::now();
    let answer = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!((answer.status, answer.code()), (200, "upstream.timeout"), "{}", answer.body);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(2400) && waited < Duration::from_secs(15), "{waited:?}");
}

#[tokio::test]
async fn a_subscription_may_be_silent() {
    let (upstream, _door, client) = start(", idle_timeout: 500ms").await;
    let acknowledged = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": 1 }, "notifications": { "toolsListChanged": true } } });
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed",
        "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": 1 } } });
    let end = json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete" } });
    let steps = vec![stream_head(), event(&acknowledged), pause_ms(2000), event(&changed), event(&end), Step::Close];
    upstream.script([once("subscriptions/listen", steps)]);
    let answer = client.request("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.messages.len(), 3, "{}", answer.body);
    answer.result();
}

#[tokio::test]
async fn an_upstream_that_takes_no_connection_is_told_in_time() {
    // The queue of a listener that accepts nothing is full: further connections hang.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = vec![];
    for _ in 0..8 {
        let connecting = tokio::net::TcpStream::connect(address);
        fillers.extend(tokio::time::timeout(Duration::from_millis(200), connecting).await);
    }
    assert!(fillers.len() < 8, "the queue is full");
    let door = door_to(&format!("url: http://{address}/mcp, connect_timeout: 700ms")).await;
    let begin = Instant::now();
    let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
    assert_eq!((answer.status, answer.code()), (502, "upstream.connect"), "{}", answer.body);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(600) && waited < Duration::from_secs(10), "{waited:?}");
}
