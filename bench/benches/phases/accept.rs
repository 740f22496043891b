//! *accept*: the check of a head, the strict parse of a message, and both with the comparison of the mirrored headers.
//! Beside the parse stands `serde_json` into a tree, which checks less, as a yardstick. Reading from the socket is left out.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use doorward::pipeline::accept::{
    HeadRules, MessageRules, RawHead,
    authority::AuthorityRules,
    head::{check_endpoint, check_transport},
    message,
};
use doorward_message::{Limits, Message, Revision, http_head::HeadLimits};
use http::Method;

use crate::messages::{call, head, headers, list};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("accept");
    let lines = headers(1024);
    let bytes = head(&lines);
    let raw = RawHead {
        method: &Method::POST,
        target: b"/mcp",
        authority: None,
        headers: &lines,
        raw: Some(&bytes),
        client: None,
    };
    let rules = HeadRules {
        limits: HeadLimits { head_bytes_max: 32 << 10, header_lines_max: 100, target_bytes_max: 8 << 10 },
        authorities: AuthorityRules { loopback: true, ..AuthorityRules::default() },
        body_bytes_max: 4 << 20,
    };
    check_transport(&raw, &rules).expect("the head is valid");
    check_endpoint(&raw, &rules).expect("the head is valid");
    group.bench_function("head", |bencher| {
        bencher.iter(|| {
            let path = check_transport(black_box(&raw), &rules).is_ok();
            path && check_endpoint(black_box(&raw), &rules).is_ok()
        });
    });
    let rules = MessageRules::new(Limits::default(), vec![Revision::V2025_11_25, Revision::V2026_07_28]);
    for (name, body) in [("1 KiB", call(1024)), ("64 KiB", call(64 * 1024))] {
        let lines = headers(body.len());
        assert!(message::http(&lines, body.clone(), &rules).is_ok(), "the message is valid");
        group.throughput(Throughput::Bytes(body.len().try_into().unwrap_or(u64::MAX)));
        group.bench_function(format!("message {name}"), |bencher| {
            bencher.iter(|| message::http(&lines, black_box(&body).clone(), &rules).is_ok());
        });
    }
    let limits = Limits::default();
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
