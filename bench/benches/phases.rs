//! What each phase costs by itself: `cargo bench -p doorward-bench`.
//!
//! *accept*: the strict parse of a message. Beside it stands `serde_json` into a tree, which checks less, as a yardstick.
#![allow(clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::{fmt::Write as _, hint::black_box};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use doorward_message::{Limits, Message};

/// A `tools/call` of revision 2026-07-28 with this many bytes.
fn call(body_bytes: usize) -> Bytes {
    const WORDS: &str = "The quarterly report lists 42 orders from the northern region; 17 were late. ";
    let mut body = r#"{"jsonrpc":"2.0","id":"0000000000000001","method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"doorward-bench","version":"1"}},"name":"tool_00","arguments":{"path":"/data/reports/2026/summary.txt","count":3,"recursive":false,"text":""#.to_owned();
    let tail = r#""}}}"#;
    let room = body_bytes.saturating_sub(body.len() + tail.len());
    body.extend(WORDS.chars().cycle().take(room));
    body.push_str(tail);
    Bytes::from(body)
}

/// The answer to `tools/list` with 50 tools: many short strings and much nesting.
fn list() -> Bytes {
    let mut body = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":["#.to_owned();
    for number in 0..50 {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            r#"{comma}{{"name":"tool_{number:02}","title":"Report tool {number}","description":"Reads the report at the path and returns its text.","inputSchema":{{"type":"object","properties":{{"path":{{"type":"string","description":"Absolute path"}},"count":{{"type":"integer","minimum":1,"maximum":100}},"recursive":{{"type":"boolean"}}}},"required":["path"]}},"annotations":{{"readOnlyHint":true,"openWorldHint":false}}}}"#
        );
    }
    body.push_str("]}}");
    Bytes::from(body)
}

fn accept(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("accept");
    for (name, body) in [("call 1 KiB", call(1024)), ("call 64 KiB", call(64 * 1024)), ("list of 50 tools", list())] {
        Message::parse(body.clone(), &limits).expect("the message is valid");
        group.throughput(Throughput::Bytes(body.len().try_into().unwrap_or(u64::MAX)));
        group.bench_function(format!("parse {name}"), |bencher| {
            bencher.iter(|| Message::parse(black_box(&body).clone(), &limits));
        });
        group.bench_function(format!("serde_json {name}"), |bencher| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&body)));
        });
    }
    group.finish();
}

criterion_group!(phases, accept);
criterion_main!(phases);
