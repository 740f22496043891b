//! What collectors and upstreams learn of a message: spans, metrics, trace context.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    door::{Door, Setup},
    otlp::{Collector, Rotel, attribute, points},
    parts,
    rpc::{Client, Message, meta},
    upstream::{Era, Recorded, Reply, Scripted, Step},
    wire::{Carrier, Version, Way},
};

const POLICIES: &str = r#"
permit(principal, action, resource);
forbid(principal, action, resource == Mcp::Tool::"upstream/delete_all");
"#;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const IN_META: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const IN_HTTP: &str = "00-11111111111111111111111111111111-2222222222222222-01";

async fn start(upstream: &Scripted, otlp: &str) -> Door {
    let observe = match otlp {
        "" => String::new(),
        otlp => format!(", otlp: {{ {otlp} }}"),
    };
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ disabled: true }}\n\
         authorization: {{ policies: {{{{folder}}}}/policies }}\n\
         upstreams: {{ upstream: {{ url: {} }} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }}{observe} }}\n",
        upstream.url
    );
    let door = Setup::config(&yaml).file("policies/p.cedar", POLICIES).admin().start().await;
    let client = match upstream.era() {
        Era::Modern => Client::modern(&door.url, None),
        Era::Legacy => Client::legacy(&door.url, None).await,
    };
    for _ in 0..200 {
        if client.call("echo", json!({})).await.code() != "upstream.catalogue_unknown" {
            return door;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the catalogue stays unknown");
}

fn traced(url: &str) -> String {
    format!("endpoint: \"{url}\", interval: 200ms, timeout: 1s, sampling_ratio: 1.0")
}

fn way(door: &Door) -> Way {
    Way::new("TCP", Carrier::Tcp(door.address()), Version::Http1)
}

/// A call whose `_meta` has these members beside the required ones.
fn call(tool: &str, extra: &Value) -> Message {
    let mut all = meta();
    all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    Message::modern("tools/call", json!({ "name": tool, "arguments": { "message": "hi" }, "_meta": all }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_trace(trace: &str) -> impl Fn(&Span) -> bool {
    let trace = trace.to_owned();
    move |span| hex(&span.trace_id) == trace
}

fn kind(spans: &[Span], kind: SpanKind) -> &Span {
    spans.iter().find(|span| span.kind() == kind).unwrap_or_else(|| panic!("{kind:?} in {spans:?}"))
}

fn has(span: &Span, key: &str) -> Option<String> {
    attribute(&span.attributes, key)
}

fn last(upstream: &Scripted) -> Recorded {
    upstream.calls().pop().unwrap()
}

#[tokio::test]
async fn spans_have_the_conventions_names_and_stand_in_the_clients_trace() {
    let (collector, upstream) = (Collector::start().await, Scripted::start(Era::Modern).await);
    let door = start(&upstream, &traced(&collector.url)).await;
    let message = call("echo", &json!({ "traceparent": IN_META })).with("traceparent", IN_HTTP);
    assert_eq!(way(&door).send(&message).await.status, 200);
    let sent = last(&upstream);
    let spans = collector.wait_spans(2, of_trace(TRACE)).await;
    let (server, client) = (kind(&spans, SpanKind::Server), kind(&spans, SpanKind::Client));
    assert_eq!(hex(&server.parent_span_id), "00f067aa0ba902b7", "_meta names the parent");
    assert_eq!(server.links.len(), 1, "the HTTP head's span is beside it");
    assert_eq!(hex(&server.links[0].trace_id), "1".repeat(32));
    assert_eq!(client.parent_span_id, server.span_id);
    for span in [server, client] {
        assert_eq!(span.name, "tools/call echo");
        for (key, value) in [
            ("mcp.method.name", "tools/call"),
            ("gen_ai.tool.name", "echo"),
            ("gen_ai.operation.name", "execute_tool"),
            ("jsonrpc.request.id", "1"),
            ("mcp.protocol.version", "2026-07-28"),
            ("network.transport", "tcp"),
        ] {
            assert_eq!(has(span, key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(has(span, "error.type"), None);
        assert_eq!(span.status.as_ref().map_or(0, |status| status.code), StatusCode::Unset as i32);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    assert_eq!(has(server, "client.address").as_deref(), Some("127.0.0.1"));
    assert_eq!(has(client, "client.address"), None);
    // The upstream finds our CLIENT span as its parent, wherever it looks.
    let ours = format!("00-{TRACE}-{}-01", hex(&client.span_id));
    assert_eq!(sent.headers.all("traceparent").as_slice(), std::slice::from_ref(&ours));
    assert_eq!(sent.message()["params"]["_meta"]["traceparent"], ours.as_str());
    let service = collector.resources().pop().unwrap();
    assert_eq!(attribute(&service.attributes, "service.name").as_deref(), Some("doorward"));
    let records = door.wait_audit(|records| records.iter().any(|record| record["trace_id"] == TRACE)).await;
    let decided = records.iter().find(|record| record["trace_id"] == TRACE).unwrap();
    assert_eq!(has(server, "doorward.decision.id").as_deref(), decided["decision_id"].as_str());
}

#[tokio::test]
async fn refused_and_broken_messages_have_spans_that_say_whose_fault_it_was() {
    let (collector, upstream) = (Collector::start().await, Scripted::start(Era::Modern).await);
    let door = start(&upstream, &traced(&collector.url)).await;
    let in_trace = |number: u8| format!("00-{}-00f067aa0ba902b7-01", format!("{number:02x}").repeat(16));
    let sent = |tool: &'static str, number: u8| call(tool, &json!({ "traceparent": in_trace(number) }));

    assert_eq!(way(&door).send(&sent("delete_all", 1)).await.code(), "authz.denied");
    let spans = collector.wait_spans(1, of_trace(&"01".repeat(16))).await;
    let denied = kind(&spans, SpanKind::Server);
    assert_eq!(denied.name, "tools/call delete_all");
    assert_eq!(has(denied, "gen_ai.guardrail.verdict.type").as_deref(), Some("deny"));
    assert_eq!(has(denied, "gen_ai.guardrail.verdict.code").as_deref(), Some("authz.denied"));
    assert_eq!(denied.status.as_ref().map_or(0, |status| status.code), StatusCode::Unset as i32, "no server error");
    assert_eq!(has(denied, "http.response.status_code").as_deref(), Some("403"));
    assert_eq!(spans.len(), 1, "nothing went upstream, so there is no CLIENT span");

    upstream.script([Reply { on: Some("tools/call".to_owned()), steps: vec![Step::Close], times: 1 }]);
    assert_eq!(way(&door).send(&sent("echo", 2)).await.code(), "upstream.closed");
    let spans = collector.wait_spans(2, of_trace(&"02".repeat(16))).await;
    for span in &spans {
        assert_eq!(span.status.as_ref().map_or(0, |status| status.code), StatusCode::Error as i32);
        assert!(has(span, "error.type").is_some());
    }

    upstream.set_result("tools/call", json!({ "resultType": "complete", "content": [], "isError": true }));
    assert_eq!(way(&door).send(&sent("echo", 3)).await.status, 200);
    let spans = collector.wait_spans(2, of_trace(&"03".repeat(16))).await;
    for span in &spans {
        assert_eq!(has(span, "error.type").as_deref(), Some("tool_error"));
        assert_eq!(span.status.as_ref().map_or(0, |status| status.code), StatusCode::Unset as i32);
    }
    let session = |span: &Span| has(span, "mcp.session.id").is_some();
    assert!(!collector.spans().iter().any(session), "there are no sessions in the modern era");
}

#[tokio::test]
async fn metrics_have_the_conventions_names_and_bounded_labels() {
    let (collector, upstream) = (Collector::start().await, Scripted::start(Era::Modern).await);
    let door = start(&upstream, &traced(&collector.url)).await;
    for number in 0..50 {
        let made_up = call(&format!("made-up-{number}"), &json!({}));
        way(&door).send(&made_up).await;
    }
    way(&door).send(&call("delete_all", &json!({}))).await;
    let denied = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]| {
        attribute(attributes, "gen_ai.tool.name").as_deref() == Some("delete_all")
    };
    let duration =
        collector.wait_metric("mcp.server.operation.duration", |metric| points(metric).into_iter().any(denied)).await;
    assert_eq!(duration.unit, "s");
    let found = points(&duration);
    let echo = found.iter().find(|set| attribute(set, "gen_ai.tool.name").as_deref() == Some("echo")).unwrap();
    assert_eq!(attribute(echo, "mcp.method.name").as_deref(), Some("tools/call"));
    assert_eq!(attribute(echo, "mcp.protocol.version").as_deref(), Some("2026-07-28"));
    let names: std::collections::BTreeSet<_> =
        found.iter().filter_map(|set| attribute(set, "gen_ai.tool.name")).collect();
    assert!(names.contains("_OTHER") && !names.iter().any(|name| name.starts_with("made-up")), "{names:?}");
    // What was refused was not tried at the upstream.
    let tried = collector.wait_metric("mcp.client.operation.duration", |metric| !points(metric).is_empty()).await;
    let found: Vec<_> = points(&tried).into_iter().filter_map(|set| attribute(set, "gen_ai.tool.name")).collect();
    assert_eq!(found, ["echo"]);
    let decisions = collector.wait_metric("doorward.decisions", |metric| !points(metric).is_empty()).await;
    let effects: Vec<_> = points(&decisions).into_iter().filter_map(|set| attribute(set, "decision")).collect();
    assert!(effects.contains(&"deny".to_owned()) && effects.contains(&"allow".to_owned()), "{effects:?}");
}

#[tokio::test]
async fn a_real_collector_takes_traces_and_metrics() {
    let (rotel, upstream) = (Rotel::start().await, Scripted::start(Era::Modern).await);
    let mut door = start(&upstream, &traced(&rotel.url)).await;
    let message = call("echo", &json!({ "traceparent": IN_META }));
    assert_eq!(way(&door).send(&message).await.status, 200);
    rotel
        .wait(&[
            "tools/call echo",
            "mcp.method.name",
            "gen_ai.tool.name",
            "gen_ai.operation.name",
            TRACE,
            "mcp.server.operation.duration",
            "doorward.proxy.overhead.duration",
        ])
        .await;
    door.process.signal(Signal::TERM);
    assert_eq!(door.process.exit_code(Duration::from_secs(10)).await, Some(0));
}

#[tokio::test]
async fn a_collector_that_never_answers_delays_nothing() {
    let upstream = Scripted::start(Era::Modern).await;
    let blackhole = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", blackhole.local_addr().unwrap());
    let holding = tokio::spawn(async move {
        let mut held = vec![];
        while let Ok((stream, _)) = blackhole.accept().await {
            held.push(stream);
        }
    });
    let mut door = start(&upstream, &traced(&url)).await;
    let client = Client::modern(&door.url, None);
    let mut slowest = Duration::ZERO;
    for _ in 0..400 {
        let begin = Instant::now();
        assert_eq!(client.call("echo", json!({ "message": "x" })).await.status, 200);
        slowest = slowest.max(begin.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "shorter than one export takes to fail: {slowest:?}");
    let dropped = async {
        loop {
            let page = reqwest::get(format!("{}/metrics", door.admin())).await.unwrap().text().await.unwrap();
            let lost = page.lines().filter(|line| line.starts_with("doorward_telemetry_dropped_total{"));
            if lost.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() > 0.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dropped).await.expect("what was lost is counted");
    door.process.signal(Signal::TERM);
    let begin = Instant::now();
    assert_eq!(door.process.exit_code(Duration::from_secs(10)).await, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(5), "a last try of each signal, and the end: {:?}", begin.elapsed());
    holding.abort();
}

#[tokio::test]
async fn without_tracing_the_message_travels_byte_for_byte() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = start(&upstream, "").await;
    let message = call("echo", &json!({ "tracestate": "a=1", "traceparent": IN_META, "x": "\u{e9}\"" }));
    assert_eq!(way(&door).send(&message).await.status, 200);
    let sent = last(&upstream);
    assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), message.body);
    assert_eq!(sent.headers.all("traceparent"), [IN_META]);
    assert_eq!(sent.headers.all("tracestate"), ["a=1"]);
    // Without trace context of its own a message gets none; the HTTP head's goes on by itself.
    let message = call("echo", &json!({})).with("traceparent", IN_HTTP);
    assert_eq!(way(&door).send(&message).await.status, 200);
    let sent = last(&upstream);
    assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), message.body);
    assert_eq!(sent.headers.all("traceparent"), [IN_HTTP]);
}

#[tokio::test]
async fn with_tracing_only_trace_context_changes_on_the_way() {
    let (collector, upstream) = (Collector::start().await, Scripted::start(Era::Modern).await);
    let door = start(&upstream, &format!("{}, baggage_keys: [ tenant ]", traced(&collector.url))).await;
    let given = json!({ "traceparent": IN_META, "tracestate": "a=1", "baggage": "user=alice,tenant=7" });
    let message = call("echo", &given).with("baggage", "user=bob");
    assert_eq!(way(&door).send(&message).await.status, 200);
    let sent = last(&upstream);
    let ours = sent.headers.get("traceparent").unwrap();
    assert!(ours.starts_with(&format!("00-{TRACE}-")) && !ours.contains("00f067aa0ba902b7"), "{ours}");
    let expected = message.body.replace(IN_META, &ours).replace("user=alice,tenant=7", "tenant=7");
    assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), expected);
    assert_eq!(sent.headers.all("baggage"), ["tenant=7"]);
    assert_eq!(sent.headers.all("tracestate"), ["a=1"]);
    assert!(!upstream.saw(b"user=alice") && !upstream.saw(b"user=bob"));
    // What is not there is not added, though we trace.
    let message = call("echo", &json!({}));
    assert_eq!(way(&door).send(&message).await.status, 200);
    let sent = last(&upstream);
    assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), message.body);
    assert_eq!(sent.headers.all("traceparent").len(), 1);
}

#[tokio::test]
async fn trace_context_that_is_not_valid_begins_a_trace_of_ours_and_changes_no_answer() {
    let (collector, upstream) = (Collector::start().await, Scripted::start(Era::Modern).await);
    let door = start(&upstream, &traced(&collector.url)).await;
    let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    for invalid in
        [json!(zeros), json!(IN_META.to_uppercase()), json!(IN_META.replacen("00", "ff", 1)), json!(7), json!(null)]
    {
        let answer = way(&door).send(&call("echo", &json!({ "traceparent": invalid }))).await;
        assert_eq!(answer.status, 200, "{invalid}: {}", answer.body);
        let sent = last(&upstream);
        let ours = sent.headers.get("traceparent").unwrap();
        assert_eq!(sent.message()["params"]["_meta"]["traceparent"], ours.as_str(), "{invalid}");
        assert!(!ours.contains(TRACE) && !ours.contains(&"0".repeat(16)), "{invalid}: {ours}");
    }
    let large = call("echo", &json!({ "traceparent": IN_META, "baggage": "k=".to_owned() + &"v".repeat(20_000) }));
    assert_eq!(way(&door).send(&large).await.status, 200);
    assert_eq!(last(&upstream).message()["params"]["_meta"].get("baggage"), None);
}

#[tokio::test]
async fn spans_tell_each_sides_own_network() {
    let collector = Collector::start().await;
    let record = tempfile::tempdir().unwrap();
    let lines = record.path().join("lines.jsonl").display().to_string();
    let script = parts::script("python/recording_server.py").display().to_string();
    let yaml = format!("observe: {{ otlp: {{ {} }} }}\n", traced(&collector.url));
    let setup = Setup::wrap_listen().file("wrap.yaml", &yaml);
    let file = setup.folder().join("wrap.yaml").display().to_string();
    let setup = setup.arguments(&["-c", &file]).policies(POLICIES).command(&["python3", &script, &lines]);
    let door = setup.start().await;
    let answer = way(&door).send(&call("echo", &json!({ "traceparent": IN_META }))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let spans = collector.wait_spans(2, of_trace(TRACE)).await;
    assert_eq!(has(kind(&spans, SpanKind::Server), "network.transport").as_deref(), Some("tcp"));
    assert_eq!(has(kind(&spans, SpanKind::Client), "network.transport").as_deref(), Some("pipe"));
}

#[tokio::test]
async fn a_child_finds_our_span_in_the_message() {
    let collector = Collector::start().await;
    let record = tempfile::tempdir().unwrap();
    let lines = record.path().join("lines.jsonl");
    let script = parts::script("python/recording_server.py");
    let setup = Setup::wrap().file("wrap.yaml", &format!("observe: {{ otlp: {{ {} }} }}\n", traced(&collector.url)));
    let file = setup.folder().join("wrap.yaml").display().to_string();
    let setup = setup.arguments(&["-c", &file]).policies(POLICIES);
    let mut door =
        setup.command(&["python3", &script.display().to_string(), &lines.display().to_string()]).start_stdio();
    let message: Value =
        serde_json::from_str(&call("echo", &json!({ "traceparent": IN_META, "baggage": "user=alice" })).body).unwrap();
    let answer = door.request(&message).await;
    assert!(answer.get("result").is_some(), "{answer}");
    let spans = collector.wait_spans(2, of_trace(TRACE)).await;
    let client = kind(&spans, SpanKind::Client);
    assert_eq!(has(client, "network.transport").as_deref(), Some("pipe"));
    let text = std::fs::read_to_string(&lines).unwrap();
    let called = text.lines().find(|line| line.contains("tools/call")).unwrap();
    let mut called: Value = serde_json::from_str(called).unwrap();
    let ours = format!("00-{TRACE}-{}-01", hex(&client.span_id));
    assert_eq!(called["params"]["_meta"]["traceparent"], ours.as_str());
    // Nothing else differs but the id, which is the child's own, and the baggage that nobody allowed.
    let mut expected = message.clone();
    expected["id"] = called["id"].take();
    called["id"] = expected["id"].clone();
    expected["params"]["_meta"]["traceparent"] = json!(ours);
    expected["params"]["_meta"].as_object_mut().unwrap().remove("baggage");
    assert_eq!(called, expected);
}
