//! Collectors: a small one that keeps what it is sent, and the real one that prints it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value as Any},
    metrics::v1::{Metric, metric::Data},
    resource::v1::Resource,
    trace::v1::Span,
};
use prost::Message as _;
use tokio::process::Command;

use super::{
    parts,
    process::{Process, free_port},
};

/// What was received.
#[derive(Default)]
struct Kept {
    spans: Vec<Span>,
    metrics: Vec<Metric>,
    resources: Vec<Resource>,
}

/// A collector of OTLP over HTTP with Protobuf.
#[derive(Clone)]
pub(crate) struct Collector {
    /// Its base URL.
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state(Arc::clone(&kept));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.kept.lock().unwrap().spans.clone()
    }

    /// The attributes of the processes that sent something.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        self.kept.lock().unwrap().resources.clone()
    }

    /// Waits until so many spans satisfy `wanted`.
    pub(crate) async fn wait_spans(&self, count: usize, wanted: impl Fn(&Span) -> bool) -> Vec<Span> {
        for _ in 0..200 {
            let found: Vec<Span> = self.spans().into_iter().filter(|span| wanted(span)).collect();
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("spans: {:?}", self.spans().iter().map(|span| &span.name).collect::<Vec<_>>());
    }

    /// Waits for a metric that `wanted` accepts, in its newest state.
    pub(crate) async fn wait_metric(&self, name: &str, wanted: impl Fn(&Metric) -> bool) -> Metric {
        for _ in 0..200 {
            let found = self.kept.lock().unwrap().metrics.iter().rfind(|metric| metric.name == name).cloned();
            if let Some(found) = found.filter(&wanted) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let kept = self.kept.lock().unwrap();
        panic!("{name}: {:?}", kept.metrics.iter().rfind(|metric| metric.name == name));
    }
}

async fn traces(State(kept): State<Arc<Mutex<Kept>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = kept.lock().unwrap();
    for of_resource in request.resource_spans {
        kept.resources.extend(of_resource.resource);
        kept.spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    StatusCode::OK
}

async fn metrics(State(kept): State<Arc<Mutex<Kept>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportMetricsServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = kept.lock().unwrap();
    for of_resource in request.resource_metrics {
        kept.resources.extend(of_resource.resource);
        kept.metrics.extend(of_resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics));
    }
    StatusCode::OK
}

/// An attribute as text.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    })
}

/// The attribute sets of a metric's points.
pub(crate) fn points(metric: &Metric) -> Vec<&[KeyValue]> {
    match metric.data.as_ref().expect("a metric has data") {
        Data::Histogram(histogram) => histogram.data_points.iter().map(|point| &*point.attributes).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(|point| &*point.attributes).collect(),
        Data::Gauge(gauge) => gauge.data_points.iter().map(|point| &*point.attributes).collect(),
        other => panic!("{}: {other:?}", metric.name),
    }
}

/// rotel, a real collector, which prints what it receives.
pub(crate) struct Rotel {
    pub(crate) url: String,
    pub(crate) process: Process,
}

impl Rotel {
    pub(crate) async fn start() -> Self {
        let (http, grpc) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(parts::rotel());
        command.args(["start", "--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc]);
        command.args(["--exporter", "blackhole", "--disable-batching", "--debug-log-verbosity", "detailed"]);
        command.args(["--debug-log", "traces", "--debug-log", "metrics"]);
        let mut process = Process::start("rotel", &mut command);
        process.ready_port(&http).await;
        Self { url: format!("http://{http}"), process }
    }

    /// Everything it printed.
    pub(crate) fn printed(&self) -> String {
        self.process.stdout.text() + &self.process.stderr.text()
    }

    /// Waits until it has printed all of these.
    pub(crate) async fn wait(&self, wanted: &[&str]) {
        for _ in 0..200 {
            let printed = self.printed();
            if wanted.iter().all(|text| printed.contains(text)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not all of {wanted:?} in\n{}", self.printed());
    }
}
