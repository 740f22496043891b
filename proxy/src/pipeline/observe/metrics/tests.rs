#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{sync::Arc, thread, time::Duration};

use super::{
    family::{NAMES_MAX, SERIES_MAX},
    labels::{ErrorType, MethodLabel},
    *,
};

fn operation(metrics: &Metrics, tool: &str) -> Operation {
    Operation {
        method: MethodLabel::of("tools/call"),
        tool: Some(metrics.names().id(tool)),
        prompt: None,
        upstream: Some(metrics.names().id("files")),
        error: None,
        revision: Some("2026-07-28"),
        network: "tcp",
    }
}

fn series(metrics: &Metrics) -> usize {
    metrics
        .collect()
        .iter()
        .map(|metric| match &metric.points {
            Points::Counter(points) => points.len(),
            Points::Gauge(points) => points.len(),
            Points::Histogram(points) => points.len(),
        })
        .sum()
}

#[test]
fn page_shows_every_kind_with_help_type_and_suffix() {
    let metrics = Metrics::default();
    metrics.names().register(["files", "read \"it\"\\\nnow"]);
    metrics.server_operation(operation(&metrics, "read \"it\"\\\nnow"), Duration::from_millis(15));
    metrics.server_operation(operation(&metrics, "nobody knows"), Duration::from_secs(400));
    let failed = Operation { error: Some(ErrorType::code("authz.denied")), ..operation(&metrics, "x") };
    metrics.server_operation(failed, Duration::ZERO);
    metrics.decision("cedar", "deny", "authz.denied");
    metrics.decision("cedar", "allow", "");
    metrics.refused("authn.expired");
    metrics.reloaded(true);
    metrics.overhead("request", Duration::from_micros(40));
    metrics.add_source(|out| {
        let points = Points::Gauge(vec![(vec![], 0.25)]);
        out.push(Metric { name: metric::AUDIT_QUEUE_USAGE, unit: Unit::Ratio, help: "Share.", points });
    });
    insta::assert_snapshot!(prometheus::page(&metrics.collect()));
}

#[test]
fn hundred_thousand_unknown_names_add_no_series() {
    let metrics = Metrics::default();
    metrics.names().register(["files", "read"]);
    metrics.server_operation(operation(&metrics, "read"), Duration::ZERO);
    metrics.server_operation(operation(&metrics, "unknown"), Duration::ZERO);
    let before = series(&metrics);
    for index in 0..100_000 {
        let name = format!("tool-{index}");
        let random = Operation { method: MethodLabel::of(&name), ..operation(&metrics, &name) };
        metrics.server_operation(random, Duration::ZERO);
        let failed = Operation { error: Some(ErrorType::rpc(index)), ..operation(&metrics, &name) };
        metrics.server_operation(failed, Duration::ZERO);
    }
    assert_eq!(series(&metrics), before + 2);
}

#[test]
fn combinations_over_the_limit_go_into_one_overflow_series() {
    let metrics = Metrics::default();
    let all: Vec<_> = (0..SERIES_MAX + 500).map(|index| format!("tool-{index}")).collect();
    metrics.names().register(all.iter().map(String::as_str));
    for name in &all {
        metrics.server_operation(operation(&metrics, name), Duration::from_millis(1));
    }
    assert_eq!(series(&metrics), SERIES_MAX + 1);
    let page = prometheus::page(&metrics.collect());
    assert!(page.contains("_count{otel_metric_overflow=\"true\"} 500\n"), "{}", page.len());
}

#[test]
fn names_over_the_limit_are_other() {
    let names = Names::default();
    let all: Vec<_> = (0..NAMES_MAX + 10).map(|index| format!("name-{index}")).collect();
    names.register(all.iter().map(String::as_str));
    assert_eq!(names.id("name-4096"), NameId::OTHER);
    assert_eq!(&*names.text(names.id("name-17")), "name-17");
    let long = "n".repeat(257);
    names.register([long.as_str()]);
    assert_eq!(names.id(&long), NameId::OTHER);
}

#[test]
fn counts_of_many_threads_add_up() {
    let metrics = Arc::new(Metrics::default());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let metrics = Arc::clone(&metrics);
            thread::spawn(move || {
                for index in 0..1_000_u64 {
                    metrics.refused("authn.expired");
                    metrics.overhead("request", Duration::from_micros(index));
                    metrics.connections.with((), |gauge| gauge.add(if index % 2 == 0 { 1 } else { -1 }));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    metrics.refusals.each(|_, counter| assert_eq!(counter.value(), 8_000));
    metrics.connections.each(|_, gauge| assert_eq!(gauge.value(), 0));
    metrics.overhead.each(|_, histogram| {
        let value = histogram.value();
        assert_eq!(value.count, 8_000);
        assert_eq!(value.sum_ns, 8 * 499_500 * 1_000);
        // Bounds are inclusive: 0 to 25 microseconds.
        assert_eq!(value.buckets[0], 8 * 26);
    });
}

#[test]
fn error_types_are_bounded_and_follow_the_status_table() {
    let shown = |error: ErrorType| {
        let metrics = Metrics::default();
        metrics.server_operation(Operation { error: Some(error), ..operation(&metrics, "x") }, Duration::ZERO);
        let page = prometheus::page(&metrics.collect());
        let (_, rest) = page.split_once("error_type=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    assert_eq!(shown(ErrorType::rpc(-32602)), "-32602");
    assert_eq!(shown(ErrorType::rpc(12)), "_OTHER");
    assert_eq!(shown(ErrorType::Tool), "tool_error");
    assert_eq!(shown(ErrorType::code("authz.policy_error")), "policy_denied");
    assert_eq!(shown(ErrorType::code("authn.unavailable")), "dependency_unavailable");
    assert_eq!(shown(ErrorType::code("authn.expired")), "401");
}

#[test]
fn every_metric_and_attribute_name_is_pinned() {
    let metrics = Metrics::default();
    let mut names: Vec<_> = metrics.collect_families().iter().map(prometheus::name).collect();
    names.sort();
    insta::assert_snapshot!(names.join("\n"));
    assert!(super::super::names::METHODS.is_sorted());
    assert_eq!(MethodLabel::of("tools/call").as_str(), "tools/call");
    assert_eq!(MethodLabel::of("tools/call ").as_str(), "_OTHER");
}
