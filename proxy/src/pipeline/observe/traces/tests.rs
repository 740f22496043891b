#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::collector::{
    metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use proptest::prelude::*;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    super::{
        audit::{Target, TargetKind},
        metrics::prometheus,
        otlp::Exporter,
    },
    *,
};
use crate::{config::units::Span, model::Fault};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const META: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const HTTP: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn settings(endpoint: &str, ratio: f64) -> OtlpSettings {
    OtlpSettings {
        endpoint: endpoint.parse().unwrap(),
        interval: Span(Duration::from_millis(200)),
        timeout: Span(Duration::from_millis(500)),
        sampling_ratio: ratio,
        sampled_flag_trusted: false,
        baggage_keys: vec!["tier".to_owned()],
    }
}

fn tracer(ratio: f64) -> (Tracer, Arc<Metrics>, mpsc::Receiver<Box<SpanRecord>>) {
    let metrics = Arc::<Metrics>::default();
    let (tracer, spans) = Tracer::new(&settings("http://127.0.0.1:1", ratio), Arc::clone(&metrics));
    (tracer, metrics, spans)
}

fn carrier(traceparent: &str) -> Carrier<'_> {
    Carrier { traceparent: Some(traceparent), ..Carrier::default() }
}

#[test]
fn invalid_traceparents_are_ignored() {
    for invalid in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-01",
    ] {
        assert_eq!(Parent::parse(invalid), None, "{invalid}");
    }
    assert_eq!(Parent::parse(META).unwrap().write(), META);
    let later = Parent::parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more");
    assert_eq!(later.unwrap().write(), META);
}

#[test]
fn invalid_parent_gives_a_new_root_and_is_counted() {
    let (tracer, metrics, _spans) = tracer(1.0);
    let trace = tracer.begin(carrier("00-000-0-00"), Carrier::default());
    assert_eq!((trace.parent, trace.link), (None, None));
    let page = prometheus::page(&metrics.collect());
    assert!(page.contains("doorward_trace_context_invalid_total{reason=\"meta\"} 1\n"), "{page}");
}

#[test]
fn meta_is_the_parent_and_a_differing_head_a_link() {
    let (tracer, _, _spans) = tracer(1.0);
    let both = tracer.begin(carrier(META), carrier(HTTP));
    assert_eq!(both.parent, Some(Parent::parse(META).unwrap().span_id));
    assert_eq!(both.link, Parent::parse(HTTP));
    assert_eq!(tracer.begin(carrier(META), carrier(META)).link, None);
    let head_only = tracer.begin(Carrier::default(), carrier(HTTP));
    assert_eq!(head_only.parent, Some(Parent::parse(HTTP).unwrap().span_id));
    assert_eq!(head_only.link, None);
    let broken_meta = tracer.begin(carrier("x"), carrier(HTTP));
    assert_eq!(broken_meta.parent, head_only.parent);
}

#[test]
fn upstream_gets_the_client_spans_id_in_the_same_trace() {
    let (tracer, _, _spans) = tracer(1.0);
    let trace = tracer.begin(carrier(META), Carrier::default());
    let span = tracer.span_id();
    let outgoing = trace.outgoing(span);
    let sent = Parent::parse(&outgoing.traceparent.unwrap()).unwrap();
    assert_eq!(sent, Parent { trace_id: trace.trace_id, span_id: span, sampled: true });
    assert!(META.contains(TRACE));
}

#[test]
fn without_export_valid_headers_go_on_and_baggage_does_not() {
    let tracer = Tracer::disabled(Arc::default());
    let meta = Carrier { baggage: Some("tier=gold"), tracestate: Some("a=1"), ..carrier(META) };
    let outgoing = tracer.begin(meta, Carrier::default()).outgoing([7; 8]);
    assert_eq!(outgoing.traceparent.as_deref(), Some(META));
    assert_eq!(outgoing.tracestate.as_deref(), Some("a=1"));
    assert_eq!(outgoing.baggage, None);
    let none = tracer.begin(Carrier::default(), Carrier::default()).outgoing([7; 8]);
    assert_eq!(none, Outgoing::default());
}

#[test]
fn sampled_flag_of_a_client_is_followed_only_where_trusted() {
    let (tracer, _, _spans) = tracer(0.0);
    assert!((0..1000).all(|_| !tracer.begin(carrier(META), Carrier::default()).sampled));
    let trusting = OtlpSettings { sampled_flag_trusted: true, ..settings("http://127.0.0.1:1", 0.0) };
    let (tracer, _spans) = Tracer::new(&trusting, Arc::default());
    assert!(tracer.begin(carrier(META), Carrier::default()).sampled);
    assert!(!tracer.begin(carrier(HTTP), Carrier::default()).sampled);
}

#[test]
fn share_of_sampled_messages_is_the_configured_one() {
    let (tracer, _, _spans) = tracer(0.25);
    let sampled = (0..40_000).filter(|_| tracer.begin(Carrier::default(), Carrier::default()).sampled).count();
    assert!((9_000..11_000).contains(&sampled), "{sampled}");
}

#[test]
fn oversized_or_malformed_tracestate_and_baggage_are_dropped() {
    let members = |count: usize| vec!["k=v"; count].join(",");
    assert!(context::tracestate(&members(32)).is_some());
    for dropped in
        [members(33), format!("k={}", "v".repeat(511)), "K=v".into(), "k".into(), "k=\u{1}".into(), String::new()]
    {
        assert_eq!(context::tracestate(&dropped), None, "{dropped}");
    }
    let keys = ["tier".to_owned()];
    assert_eq!(context::baggage("user=eve, tier=gold;p=1,x=\r\n", &keys).as_deref(), Some("tier=gold;p=1"));
    assert_eq!(context::baggage(&format!("tier={}", "x".repeat(1 << 20)), &keys), None);
    assert_eq!(context::baggage("user=eve", &keys), None);
    assert_eq!(context::baggage("tier=gold", &[]), None);
}

fn span(trace: &Trace, change: impl FnOnce(&mut SpanRecord)) -> SpanRecord {
    let mut span = SpanRecord::server(trace, "tools/call", 10, 20);
    span.target = Some(Target { kind: TargetKind::Tool, name: "read\n".into() });
    change(&mut span);
    span
}

#[test]
fn callers_faults_are_no_errors_of_the_server_but_of_the_client_span() {
    let (tracer, _, _spans) = tracer(1.0);
    let trace = tracer.begin(Carrier::default(), Carrier::default());
    assert!(!span(&trace, |span| span.rpc_code = Some(-32602)).is_error());
    assert!(span(&trace, |span| span.rpc_code = Some(-32603)).is_error());
    assert!(!span(&trace, |span| span.tool_error = true).is_error());
    assert!(
        !span(&trace, |span| {
            span.refusal = Some("authz.denied");
            span.rpc_code = Some(-31003);
        })
        .is_error()
    );
    assert!(span(&trace, |span| span.fault = Some(Fault::UpstreamTimeout)).is_error());
    assert!(!span(&trace, |span| span.fault = Some(Fault::DownstreamClosed)).is_error());
    let mut client = SpanRecord::client(&trace, [1; 8], "tools/call", 0, 0);
    client.rpc_code = Some(-32602);
    assert!(client.is_error());
}

#[test]
fn span_names_and_attributes_follow_the_conventions() {
    let (tracer, _, _spans) = tracer(1.0);
    let trace = tracer.begin(Carrier::default(), Carrier::default());
    let call = span(&trace, |span| {
        span.jsonrpc_id = Some("7".repeat(100).into());
        span.refusal = Some("authz.denied");
        span.status = Some(403);
        span.revision = Some("2026-07-28");
    });
    let read = span(&trace, |span| {
        span.method = "resources/read".into();
        span.target = Some(Target { kind: TargetKind::Resource, name: "https://x/y?token=canary".into() });
    });
    let shown: Vec<_> = [call, read].iter().map(|span| format!("{}\n{:#?}", span.name(), span.attributes())).collect();
    let shown = shown.join("\n");
    assert!(!shown.contains("canary") && !shown.contains("session"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn queue_without_room_drops_and_counts() {
    let (tracer, metrics, _spans) = tracer(1.0);
    let trace = tracer.begin(Carrier::default(), Carrier::default());
    for _ in 0..QUEUE_SPANS_MAX + 5 {
        tracer.record(&trace, || span(&trace, |_| {}));
    }
    let page = prometheus::page(&metrics.collect());
    let expected = "doorward_telemetry_dropped_total{signal=\"traces\",reason=\"queue_full\"} 5\n";
    assert!(page.contains(expected), "{page}");
}

/// A collector that takes `count` exports and tells their paths and bodies.
async fn collector(count: usize) -> (String, tokio::task::JoinHandle<Vec<(String, Vec<u8>)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut exports = Vec::new();
        while exports.len() < count {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let body_at = loop {
                stream.read_buf(&mut request).await.unwrap();
                if let Some(at) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
            };
            let head = String::from_utf8(request[..body_at].to_vec()).unwrap().to_lowercase();
            assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            while request.len() < body_at + length {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            exports.push((path, request[body_at..].to_vec()));
        }
        exports
    });
    (endpoint, serving)
}

#[tokio::test]
async fn collector_receives_spans_and_the_same_metrics_as_the_page() {
    let (endpoint, serving) = collector(2).await;
    let metrics = Arc::<Metrics>::default();
    let slow = OtlpSettings { interval: Span::seconds(60), ..settings(&endpoint, 1.0) };
    let (tracer, spans) = Tracer::new(&slow, Arc::clone(&metrics));
    let trace = tracer.begin(carrier(META), carrier(HTTP));
    tracer.record(&trace, || span(&trace, |_| {}));
    metrics.refused("authn.expired");
    metrics.overhead("request", Duration::from_micros(40));
    let exporter = Exporter::start(&slow, &metrics, spans).unwrap();
    exporter.stop().await;
    let exports = serving.await.unwrap();
    let body = |path: &str| &exports.iter().find(|(at, _)| at == path).unwrap().1[..];
    let traces = ExportTraceServiceRequest::decode(body("/v1/traces")).unwrap();
    let sent = &traces.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(sent.trace_id, trace.trace_id);
    assert_eq!(sent.parent_span_id, Parent::parse(META).unwrap().span_id);
    assert_eq!(sent.links[0].span_id, Parent::parse(HTTP).unwrap().span_id);
    assert_eq!(sent.name, "tools/call read\\u000a");
    let sent = ExportMetricsServiceRequest::decode(body("/v1/metrics")).unwrap();
    let sent: Vec<_> =
        sent.resource_metrics[0].scope_metrics[0].metrics.iter().map(|metric| metric.name.clone()).collect();
    let kept: Vec<_> = metrics.collect().iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(sent, kept);
}

#[tokio::test]
async fn dead_collector_delays_nothing_and_is_counted() {
    // Takes connections and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let metrics = Arc::<Metrics>::default();
    let (tracer, spans) = Tracer::new(&settings(&endpoint, 1.0), Arc::clone(&metrics));
    let exporter = Exporter::start(&settings(&endpoint, 1.0), &metrics, spans).unwrap();
    let begun = Instant::now();
    for _ in 0..3 * QUEUE_SPANS_MAX {
        let trace = tracer.begin(Carrier::default(), Carrier::default());
        tracer.record(&trace, || span(&trace, |_| {}));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_millis(1300)).await;
    tokio::time::timeout(Duration::from_secs(5), exporter.stop()).await.unwrap();
    let page = prometheus::page(&metrics.collect());
    for reason in [
        "signal=\"traces\",reason=\"queue_full\"",
        "signal=\"traces\",reason=\"export_failed\"",
        "signal=\"metrics\",reason=\"export_failed\"",
    ] {
        assert!(page.contains(reason), "{reason} in {page}");
    }
}

proptest! {
    #[test]
    fn no_header_makes_the_parser_panic(text in any::<String>(), keys in prop::collection::vec(any::<String>(), 0..3)) {
        if let Some(parent) = Parent::parse(&text) {
            prop_assert_eq!(Parent::parse(&parent.write()), Some(parent));
        }
        let _ = context::tracestate(&text);
        let _ = context::baggage(&text, &keys);
    }

    #[test]
    fn any_written_parent_reads_the_same(trace_id in any::<[u8; 16]>(), span_id in any::<[u8; 8]>(), sampled in any::<bool>()) {
        prop_assume!(trace_id != [0; 16] && span_id != [0; 8]);
        let parent = Parent { trace_id, span_id, sampled };
        prop_assert_eq!(Parent::parse(&parent.write()), Some(parent));
    }
}
