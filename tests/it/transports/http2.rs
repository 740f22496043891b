//! HTTP/2 towards clients: what only that version can do wrong.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{answer, door_to, event, once, pause_ms, ready, setup_with, stream_head};
use crate::support::{
    door::Door,
    rpc::{Client, Message, meta},
    upstream::{Era, Scripted},
    wire::{Carrier, Http2},
};

async fn start() -> (Scripted, Door) {
    let upstream = Scripted::start(Era::Modern).await;
    let door = door_to(&format!("url: {}", upstream.url)).await;
    ready(&Client::modern(&door.url, None)).await;
    (upstream, door)
}

#[tokio::test]
async fn an_authority_other_than_the_host_header_is_refused() {
    let (upstream, door) = start().await;
    let http2 = Http2::connect(&Carrier::Tcp(door.address())).await;
    let before = upstream.calls().len();
    let message = || Message::modern("prompts/get", json!({ "name": "greet" }));
    for (authority, host, status, code) in [
        ("localhost", Some("evil.example"), 400, "accept.host_invalid"),
        ("evil.example", Some("localhost"), 400, "accept.host_invalid"),
        ("evil.example", None, 403, "accept.host_forbidden"),
        ("evil.example", Some("evil.example"), 403, "accept.host_forbidden"),
        ("localhost", Some("localhost"), 200, ""),
    ] {
        let message = host.iter().fold(message(), |message, host| message.with("host", host));
        let answer = http2.begin(authority, &message).await.answer().await.unwrap();
        // Two authorities that differ are refused by the codec already, which says nothing more.
        let told = [code, ""].contains(&answer.code());
        assert!(answer.status == status && told, "{authority} {host:?}: {} {}", answer.status, answer.body);
    }
    assert_eq!(upstream.calls().len() - before, 1, "only the last one went on");
}

/// An HTTP/2 frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field, literal and never indexed (RFC 7541 §6.2.3).
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| {
        assert!(text.len() < 127, "one byte of length");
        u8::try_from(text.len()).unwrap()
    };
    [&[0x10, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// Sends a message in hand-made frames, which no client library would send, and gives the first frame on its stream.
async fn frames(door: &Door, message: &Message, extra: &[(&str, &str)]) -> (u8, Vec<u8>) {
    let mut block = vec![];
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/mcp")];
    let own = message.headers.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in pseudo.into_iter().chain(own).chain(extra.iter().copied()) {
        block.extend(field(name, value));
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, 4, 1, &block));
    bytes.extend(frame(0, 1, 1, message.body.as_bytes()));
    let mut stream = tokio::net::TcpStream::connect(door.address()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let read = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return (7, vec![]);
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.unwrap();
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if id == 1 || head[3] == 7 {
                return (head[3], payload);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("an answer on the stream")
}

#[tokio::test]
async fn header_fields_of_a_connection_are_refused_in_http2() {
    let (upstream, door) = start().await;
    let before = upstream.calls().len();
    let message = Message::modern("prompts/get", json!({ "name": "greet" }));
    for (name, value) in [
        ("te", "gzip"),
        ("te", "trailers, deflate"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("X-Upper", "1"),
    ] {
        let (kind, payload) = frames(&door, &message, &[(name, value)]).await;
        // RST_STREAM or GOAWAY, or the end of the connection, which `frames` tells as the latter; or an answer of 400.
        let refused = kind == 3 || kind == 7 || (kind == 1 && payload.contains(&0x8c));
        assert!(refused, "{name}: {value}: frame {kind} {payload:?}");
    }
    assert_eq!(upstream.calls().len(), before);
    // The same frames without the bad one are fine, with the only coding that TE may name.
    let (kind, payload) = frames(&door, &message, &[("te", "trailers")]).await;
    assert_eq!((kind, payload.first()), (1, Some(&0x88)), ":status 200 {payload:?}");
    let calls = upstream.calls();
    assert_eq!(calls.len(), before + 1);
    assert_eq!(calls.last().unwrap().headers.get("te"), None, "it is about this connection only");
}

#[tokio::test]
async fn a_cancelled_stream_cancels_the_call_upstream() {
    let (upstream, door) = start().await;
    let http2 = Http2::connect(&Carrier::Tcp(door.address())).await;
    let call = Message::call("echo", json!({ "message": "hi" }));
    // Before the answer has begun.
    upstream.script([once("tools/call", vec![pause_ms(60_000)])]);
    let mut stream = http2.begin("localhost", &call).await;
    let connection = called(&upstream, 2).await;
    stream.sending.send_reset(h2::Reason::CANCEL);
    assert!(upstream.ends(connection, Duration::from_secs(5)).await, "the call goes on");

    // Within a stream of events.
    let mut asked = meta();
    asked["progressToken"] = json!("p");
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
        "params": { "progressToken": "p", "progress": 1 } });
    upstream.script([once("tools/call", vec![stream_head(), event(&progress), pause_ms(60_000)])]);
    let call = Message::modern("tools/call", json!({ "name": "echo", "arguments": {}, "_meta": asked }));
    let stream = http2.begin("localhost", &call).await;
    let connection = called(&upstream, 3).await;
    let mut body = stream.response.await.unwrap().into_body();
    let first = body.data().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("notifications/progress"), "events come as they are sent");
    drop((body, stream.sending));
    assert!(upstream.ends(connection, Duration::from_secs(5)).await, "the stream goes on");

    // The connection itself stays.
    let answer = http2.send(&Message::call("echo", json!({ "message": "still here" }))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    door.wait_audit(|records| records.iter().filter(|record| record["code"] == "downstream.closed").count() == 2).await;
}

/// The connection on which the n-th call came.
async fn called(upstream: &Scripted, count: usize) -> usize {
    let enough = |requests: &[crate::support::upstream::Recorded]| {
        requests.iter().filter(|request| request.method() == "tools/call").count() == count
    };
    upstream.wait(enough).await.iter().rfind(|request| request.method() == "tools/call").unwrap().connection
}

#[tokio::test]
async fn many_streams_at_once_get_their_own_answers() {
    let (_upstream, door) = start().await;
    let http2 = Http2::connect(&Carrier::Tcp(door.address())).await;
    let mut streams = vec![];
    for number in 0..60 {
        let call = Message::call("echo", json!({ "message": format!("number-{number}-") }));
        streams.push((number, http2.begin("localhost", &call).await));
    }
    for (number, stream) in streams {
        let answer = stream.answer().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains(&format!("number-{number}-")), "{number}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let (upstream, door) = start().await;
    let http2 = Http2::connect(&Carrier::Tcp(door.address())).await;
    let before = upstream.calls().len();
    // Refused by its head, long before the body is through.
    let big = "x".repeat(6 << 20);
    let media = Message { headers: vec![("content-type", "text/plain".to_owned())], body: big.clone() };
    let refused = http2.begin("localhost", &media).await.answer().await.unwrap();
    assert_eq!((refused.status, refused.code()), (415, "accept.media_type"), "{}", refused.body);
    // Refused by its size.
    let refused = http2.begin("localhost", &Message::call("echo", json!({ "message": big }))).await.answer().await;
    let refused = refused.unwrap();
    assert_eq!((refused.status, refused.code()), (413, "accept.body_too_large"), "{}", refused.body);
    assert_eq!(upstream.calls().len(), before);
    // The connection and its windows are still of use.
    for _ in 0..3 {
        let fine = http2.send(&Message::call("echo", json!({ "message": "y".repeat(300_000) }))).await;
        assert_eq!(fine.status, 200);
    }
}

#[tokio::test]
async fn a_body_that_stays_away_is_a_408_in_http2_too() {
    let upstream = Scripted::start(Era::Modern).await;
    let setup = setup_with(&format!("url: {}", upstream.url), "accept: { body_idle_timeout: 1s }\n");
    let door = setup.start().await;
    ready(&Client::modern(&door.url, None)).await;
    let http2 = Http2::connect(&Carrier::Tcp(door.address())).await;
    let message = Message::call("echo", json!({}));
    let silent = http2.begin_unfinished("localhost", &message, 1).await;
    let answer = tokio::time::timeout(Duration::from_secs(10), silent.answer()).await.expect("an answer").unwrap();
    assert_eq!((answer.status, answer.code()), (408, "accept.timeout"), "{}", answer.body);
    assert_eq!(http2.send(&message).await.status, 200, "other streams go on");
}

#[tokio::test]
async fn a_drain_finishes_streams_under_way_and_ends_resting_connections() {
    let (upstream, mut door) = start().await;
    let resting = Http2::connect(&Carrier::Tcp(door.address())).await;
    assert_eq!(resting.send(&Message::modern("prompts/list", json!({}))).await.status, 200);
    // Several, large, and all at once at the very end: what is still in buffers must get out.
    let large = json!({ "resultType": "complete", "content": [{ "type": "text", "text": "l".repeat(500_000) }] });
    let late = || once("tools/call", vec![pause_ms(1500), answer(&large)]);
    upstream.script((0..8).map(|_| late()));
    let busy = Http2::connect(&Carrier::Tcp(door.address())).await;
    let mut streams = vec![];
    for _ in 0..8 {
        streams.push(tokio::spawn(busy.begin("localhost", &Message::call("echo", json!({}))).await.answer()));
    }
    called(&upstream, 9).await;
    door.process.signal(Signal::TERM);
    for stream in streams {
        let seen = stream.await.unwrap().unwrap();
        assert_eq!((seen.status, seen.body.len() > 500_000), (200, true));
    }
    assert_eq!(door.process.exit_code(Duration::from_secs(10)).await, Some(0));
}
