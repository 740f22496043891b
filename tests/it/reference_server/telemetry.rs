//! What a collector learns of the reference server's requests, and what becomes of them without it.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{
    metrics::v1::{Metric, metric::Data},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;

use super::done;
use crate::support::{
    otlp::{Collector, Rotel, attribute, points},
    parts,
    process::run_command,
    rpc::{Client, Message, meta},
    upstream::Server,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const IN_META: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const IN_HTTP: &str = "00-11111111111111111111111111111111-2222222222222222-01";
const SECRET: &str = "canary-in-an-argument";

async fn start(endpoint: &str) -> Server {
    Server::reference_with(|command| {
        command.args(["--otlp-endpoint", endpoint, "--allowed-host", "localhost"]);
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "200").env("OTEL_BSP_SCHEDULE_DELAY", "100")
    })
    .await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(name: &str) -> impl Fn(&Span) -> bool {
    let name = name.to_owned();
    move |span| span.name == name
}

/// A call with the context of a trace in `_meta`, and another in the header.
async fn traced(client: &Client, tool: &str, arguments: Value) -> Value {
    let mut all = meta();
    all["traceparent"] = json!(IN_META);
    let message = Message::modern("tools/call", json!({ "name": tool, "arguments": arguments, "_meta": all }));
    let mut request = client.prepared(http::Method::POST).body(message.body.clone()).header("traceparent", IN_HTTP);
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    Client::answer(request).await.result().clone()
}

#[tokio::test]
async fn a_call_is_told_with_its_parent_its_tool_and_the_store_and_no_argument() {
    let collector = Collector::start().await;
    let server = start(&collector.url).await;
    let client = Client::modern(&server.url, None);
    traced(&client, "document_create", json!({ "path": SECRET, "content": SECRET })).await;
    let span = collector.wait_spans(1, named("tools/call document_create")).await.remove(0);
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), "00f067aa0ba902b7".to_owned()));
    assert_eq!(span.links.iter().map(|link| hex(&link.trace_id)).collect::<Vec<_>>(), ["1".repeat(32)]);
    assert_eq!(span.kind(), SpanKind::Server);
    for (key, value) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "document_create"),
        ("gen_ai.operation.name", "execute_tool"),
        ("mcp.protocol.version", "2026-07-28"),
        ("network.transport", "tcp"),
    ] {
        assert_eq!(attribute(&span.attributes, key).as_deref(), Some(value), "{key}");
    }
    assert!(attribute(&span.attributes, "jsonrpc.request.id").is_some());
    assert_eq!(attribute(&span.attributes, "error.type"), None);
    let store = collector.wait_spans(1, named("store create")).await.remove(0);
    assert_eq!((store.trace_id, store.parent_span_id), (span.trace_id, span.span_id));
    let told = format!("{:?}", collector.spans());
    assert!(!told.contains(SECRET) && !told.contains("mcp.session.id"), "{told}");
    let resource = &collector.resources()[0];
    assert_eq!(attribute(&resource.attributes, "service.name").as_deref(), Some("doorward-reference-server"));
}

#[tokio::test]
async fn failures_are_told_by_kind_and_callers_faults_are_no_errors_of_the_server() {
    let collector = Collector::start().await;
    let server = start(&collector.url).await;
    let client = Client::modern(&server.url, None);
    client.call("document_read", json!({ "path": SECRET })).await;
    let span = collector.wait_spans(1, named("tools/call document_read")).await.remove(0);
    assert_eq!(attribute(&span.attributes, "error.type").as_deref(), Some("tool_error"));
    assert_eq!(span.status.unwrap_or_default().code(), StatusCode::Unset);
    client.request("prompts/get", json!({ "name": "nothing" })).await;
    let span = collector.wait_spans(1, named("prompts/get")).await.remove(0);
    assert_eq!(attribute(&span.attributes, "error.type").as_deref(), Some("-32602"));
    assert_eq!(attribute(&span.attributes, "rpc.response.status_code").as_deref(), Some("-32602"));
    assert_eq!(span.status.unwrap_or_default().code(), StatusCode::Unset);
    assert!(!format!("{:?}", collector.spans()).contains(SECRET));
}

fn count(metric: &Metric) -> u64 {
    match metric.data.as_ref().unwrap() {
        Data::Histogram(histogram) => histogram.data_points.iter().map(|point| point.count).sum(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn labels_stay_few_whatever_callers_name() {
    const NAMES: u64 = 300;
    let collector = Collector::start().await;
    let server = start(&collector.url).await;
    let client = Client::modern(&server.url, None);
    for number in 0..NAMES {
        client.call(&format!("tool{number}"), json!({})).await;
        client.request("prompts/get", json!({ "name": format!("prompt{number}") })).await;
    }
    let metric = collector.wait_metric("mcp.server.operation.duration", |metric| count(metric) >= 2 * NAMES).await;
    let points = points(&metric);
    assert!(points.len() <= 4, "{points:?}");
    assert!(points.iter().all(|labels| attribute(labels, "gen_ai.tool.name").is_none()), "{points:?}");
    assert_eq!(metric.unit, "s");
}

#[tokio::test]
async fn cache_and_tasks_are_counted() {
    let collector = Collector::start().await;
    let server = start(&collector.url).await;
    let client = Client::modern(&server.url, None);
    done(&client, "document_create", json!({ "path": "a", "content": "text" })).await;
    for _ in 0..3 {
        done(&client, "document_read", json!({ "path": "a" })).await;
    }
    let numbers = |metric: &Metric| match metric.data.clone().unwrap() {
        Data::Sum(sum) => sum.data_points,
        Data::Gauge(gauge) => gauge.data_points,
        other => panic!("{other:?}"),
    };
    let read = |metric: &Metric, result: &str| {
        let points = numbers(metric);
        let found = points.iter().find(|point| attribute(&point.attributes, "result").as_deref() == Some(result));
        found.map(|point| format!("{:?}", point.value)).unwrap_or_default()
    };
    let lookups = "doorward.reference_server.cache.lookups";
    let metric = collector.wait_metric(lookups, |metric| read(metric, "hit").contains("AsInt(2)")).await;
    assert!(read(&metric, "miss").contains("AsInt(1)"), "{metric:?}");
    collector.wait_metric("doorward.reference_server.tasks", |metric| numbers(metric).len() == 1).await;
}

async fn add_often(server: &Server) -> Duration {
    let client = Client::modern(&server.url, None);
    let begun = Instant::now();
    for _ in 0..300 {
        done(&client, "add", json!({ "a": 1, "b": 2 })).await;
    }
    begun.elapsed()
}

/// One takes connections and never answers, the other takes none. More spans come than may wait.
#[tokio::test]
async fn dead_collector_delays_neither_requests_nor_the_end() {
    let untold = add_often(&Server::reference().await).await;
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    for address in [silent.local_addr().unwrap().to_string(), "127.0.0.1:9".to_owned()] {
        let mut server = Server::reference_with(|command| {
            command.args(["--otlp-endpoint", &format!("http://{address}")]).env("OTEL_BSP_SCHEDULE_DELAY", "100");
            command.env("OTEL_BSP_MAX_QUEUE_SIZE", "64").env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
        })
        .await;
        let told = add_often(&server).await;
        println!("{address}: {told:?}, without telemetry {untold:?}");
        assert!(told < 2 * untold + Duration::from_secs(1), "{told:?} instead of {untold:?}");
        let begun = Instant::now();
        server.process.signal(Signal::TERM);
        assert_eq!(server.process.exit_code(Duration::from_secs(20)).await, Some(0));
        assert!(begun.elapsed() < Duration::from_millis(2_500), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn last_spans_are_sent_before_the_end() {
    let collector = Collector::start().await;
    let mut server = Server::reference_with(|command| {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).env("OTEL_BSP_SCHEDULE_DELAY", "600000")
    })
    .await;
    Client::modern(&server.url, None).call("add", json!({ "a": 1, "b": 2 })).await.result();
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.exit_code(Duration::from_secs(20)).await, Some(0));
    assert!(collector.spans().iter().any(|span| span.name == "tools/call add"));
    let _ = collector.wait_metric("mcp.server.operation.duration", |metric| count(metric) == 1).await;
}

#[tokio::test]
async fn real_collector_takes_what_is_sent() {
    let rotel = Rotel::start().await;
    let server = start(&rotel.url).await;
    done(&Client::modern(&server.url, None), "add", json!({ "a": 1, "b": 2 })).await;
    rotel.wait(&["tools/call add", "mcp.server.operation.duration"]).await;
}

#[tokio::test]
async fn settings_that_reach_no_collector_stop_the_server() {
    for (endpoint, protocol, told) in [
        ("collector:4317", "", "--otlp-endpoint must be http://"),
        ("grpc://hunter2@collector", "", "--otlp-endpoint must be http://"),
        ("http://127.0.0.1:9", "grpc", "only http/protobuf"),
    ] {
        let mut command = Command::new(parts::binary("doorward-reference-server"));
        command.args(["--listen", "127.0.0.1:0", "--otlp-endpoint", endpoint]);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        let ended = run_command(&mut command, Duration::from_secs(20)).await;
        assert_eq!(ended.code, Some(1), "{endpoint}: {}", ended.stderr);
        assert!(ended.stderr.contains(told) && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}
