//! Export over OTLP, HTTP with Protobuf: metrics from the registry, spans from the queue.
//!
//! Two tasks on the runtime of the control side. Each export is tried once within its time-out; what could not be sent is
//! dropped and counted, and the log says once that the collector is away and once that it is back. Nothing here is ever
//! waited for by a request.
//!
//! The messages are built from our own registry and span records with the generated Protobuf types. The OpenTelemetry SDK
//! has no way to export histograms that were counted elsewhere, and counting in it would put locks and attribute vectors on
//! the request's path.

use std::{
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric as OtlpMetric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point::Value as Number,
    },
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Link, SpanKind as OtlpSpanKind},
        status::StatusCode,
    },
};
use prost::Message as _;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    clock,
    metrics::{LabelSet, Metric, Metrics, Points, instrument::HistogramValue},
    names::attribute,
    random,
    settings::OtlpSettings,
    traces::{SpanKind, SpanRecord, span::AttributeValue},
};

/// How often the queue of spans is emptied.
const SPANS_INTERVAL: Duration = Duration::from_millis(500);
/// Spans in one export.
const SPANS_MAX: usize = 512;

/// Why export cannot start.
#[derive(Debug, thiserror::Error)]
#[error("the OTLP client cannot be built: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// The running export.
pub struct Exporter {
    stop: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
}

impl Exporter {
    /// Starts exporting. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn start(
        settings: &OtlpSettings,
        metrics: &Arc<Metrics>,
        spans: Receiver<Box<SpanRecord>>,
    ) -> Result<Self, ClientError> {
        let client = reqwest::Client::builder()
            .timeout(settings.timeout.0)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let resource = resource();
        let sender = |signal: &'static str| Sender {
            client: client.clone(),
            url: settings.endpoint.signal(signal),
            signal,
            metrics: Arc::clone(metrics),
            away: false,
        };
        let (stop, stopping) = watch::channel(false);
        let of_metrics = export_metrics(
            sender("metrics"),
            resource.clone(),
            settings.interval.0.max(Duration::from_millis(100)),
            stopping.clone(),
        );
        let of_spans = export_spans(sender("traces"), resource, spans, stopping);
        Ok(Self { stop, tasks: [tokio::spawn(of_metrics), tokio::spawn(of_spans)] })
    }

    /// Sends once more what there is, each within the export's time-out, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("an export task ended with a panic");
            }
        }
    }
}

struct Sender {
    client: reqwest::Client,
    url: String,
    signal: &'static str,
    metrics: Arc<Metrics>,
    away: bool,
}

impl Sender {
    /// Sends one message with so many items.
    async fn send(&mut self, body: Vec<u8>, items: u64) {
        let request = self.client.post(&self.url).header("content-type", "application/x-protobuf");
        let sent = match request.body(body).send().await {
            Ok(answer) => answer.error_for_status().map(|_| ()),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) if self.away => {
                self.away = false;
                tracing::info!(signal = self.signal, "the OTLP collector is back");
            }
            Ok(()) => {}
            Err(error) => {
                self.metrics.telemetry_dropped(self.signal, "export_failed", items);
                if !self.away {
                    self.away = true;
                    tracing::warn!(signal = self.signal, %error, "the OTLP collector does not take our data; it is dropped");
                }
            }
        }
    }
}

async fn export_metrics(
    mut sender: Sender,
    resource: Resource,
    interval: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let started_unix_ns = clock::now_unix_ns();
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(interval) => false,
            _ = stopping.changed() => true,
        };
        let metrics = sender.metrics.collect();
        let items = metrics.len() as u64;
        let message = metrics_message(metrics, resource.clone(), started_unix_ns);
        sender.send(message.encode_to_vec(), items).await;
        if last {
            return;
        }
    }
}

async fn export_spans(
    mut sender: Sender,
    resource: Resource,
    spans: Receiver<Box<SpanRecord>>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(SPANS_INTERVAL) => false,
            _ = stopping.changed() => true,
        };
        loop {
            let batch: Vec<_> = spans.try_iter().take(SPANS_MAX).collect();
            if batch.is_empty() {
                break;
            }
            let (items, full) = (batch.len() as u64, batch.len() == SPANS_MAX);
            sender.send(spans_message(&batch, resource.clone()).encode_to_vec(), items).await;
            if !full || (last && sender.away) {
                break;
            }
        }
        if last {
            return;
        }
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.into())) }),
        ..KeyValue::default()
    }
}

fn resource() -> Resource {
    let mut instance = String::new();
    random::push_hex(&mut instance, &random::bytes::<16>());
    Resource {
        attributes: vec![
            text(attribute::SERVICE_NAME, "doorward"),
            text(attribute::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
            text(attribute::SERVICE_INSTANCE_ID, instance),
        ],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "doorward".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// The registry as an OTLP message, with the same names and labels as the Prometheus page.
pub(super) fn metrics_message(
    metrics: Vec<Metric>,
    resource: Resource,
    started_unix_ns: u64,
) -> ExportMetricsServiceRequest {
    let times = (started_unix_ns, clock::now_unix_ns());
    let metrics = metrics.into_iter().map(|metric| otlp_metric(metric, times)).collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

fn labels(set: LabelSet) -> Vec<KeyValue> {
    set.into_iter().map(|(key, value)| text(key, value)).collect()
}

fn number((start, now): (u64, u64), set: LabelSet, value: Number) -> NumberDataPoint {
    NumberDataPoint {
        attributes: labels(set),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn otlp_metric(metric: Metric, times: (u64, u64)) -> OtlpMetric {
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match metric.points {
        Points::Counter(points) => {
            let point = |(set, value): (LabelSet, u64)| {
                number(times, set, Number::AsInt(i64::try_from(value).unwrap_or(i64::MAX)))
            };
            let data_points = points.into_iter().map(point).collect();
            Data::Sum(Sum { data_points, aggregation_temporality: cumulative, is_monotonic: true })
        }
        Points::Gauge(points) => {
            let point = |(set, value)| number(times, set, Number::AsDouble(value));
            Data::Gauge(Gauge { data_points: points.into_iter().map(point).collect() })
        }
        Points::Histogram(points) => {
            let data_points = points.into_iter().map(|(set, value)| histogram(times, set, value)).collect();
            Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative })
        }
    };
    OtlpMetric {
        name: metric.name.to_owned(),
        description: metric.help.to_owned(),
        unit: metric.unit.as_str().to_owned(),
        data: Some(data),
        ..OtlpMetric::default()
    }
}

fn histogram((start, now): (u64, u64), set: LabelSet, value: HistogramValue) -> HistogramDataPoint {
    let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
    HistogramDataPoint {
        attributes: labels(set),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count: value.count,
        sum: Some(seconds(value.sum_ns)),
        bucket_counts: value.buckets,
        explicit_bounds: value.bounds.iter().map(|bound| seconds(*bound)).collect(),
        ..HistogramDataPoint::default()
    }
}

/// Spans as an OTLP message.
pub(super) fn spans_message(spans: &[Box<SpanRecord>], resource: Resource) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans: spans.iter().map(|span| otlp_span(span)).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn otlp_span(span: &SpanRecord) -> Span {
    let attributes = span.attributes().into_iter().map(|(key, value)| match value {
        AttributeValue::Text(value) => text(key, value),
        AttributeValue::Integer(value) => KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
            ..KeyValue::default()
        },
    });
    let kind = match span.kind {
        SpanKind::Server => OtlpSpanKind::Server,
        SpanKind::Client => OtlpSpanKind::Client,
    };
    let code = if span.is_error() { StatusCode::Error } else { StatusCode::Unset };
    Span {
        trace_id: span.trace_id.to_vec(),
        span_id: span.span_id.to_vec(),
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name(),
        kind: kind.into(),
        start_time_unix_nano: span.start_unix_ns,
        end_time_unix_nano: span.end_unix_ns.max(span.start_unix_ns),
        attributes: attributes.collect(),
        links: span.link.iter().map(otlp_link).collect(),
        status: Some(Status { code: code.into(), ..Status::default() }),
        ..Span::default()
    }
}

fn otlp_link(link: &super::traces::Parent) -> Link {
    Link { trace_id: link.trace_id.to_vec(), span_id: link.span_id.to_vec(), ..Link::default() }
}
