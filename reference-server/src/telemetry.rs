//! What the server tells a collector by OTLP: a span and a duration for each request, spans of the store's operations, and
//! a few counts. Off unless a collector is named.
//!
//! In: the standard variables `OTEL_*`. Out: batches over HTTP with Protobuf, sent beside the requests. Refusals:
//! [`TelemetryError`]. Invariants: no request waits for a collector, and what cannot be sent is dropped, not gathered; no
//! argument's value is in a span; every label of a metric has few values, whatever callers send.

mod client;
mod counts;
mod names;
mod request;
mod store;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub use self::request::{Observation, Operation};
pub use self::store::ObservedStore;
use crate::state::Shared;

/// How long the last batches may take when the server stops.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// How long one batch may take where `OTEL_EXPORTER_OTLP_TIMEOUT` says nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The address is none.
    #[error("--otlp-endpoint must be http:// or https:// and a host; /v1/traces and /v1/metrics are put behind it")]
    Endpoint,
    /// A form that is not spoken.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is spoken")]
    Protocol,
    /// The exporter cannot be made.
    #[error("cannot export telemetry: {0}")]
    Exporter(String),
    /// There is one in this process already.
    #[error("telemetry is started once in a process")]
    Twice,
}

/// What is measured. There is one in a process, as there is one server.
static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

struct Instruments {
    tracer: SdkTracer,
    durations: Histogram<f64>,
    store_failures: Counter<u64>,
    transport: &'static str,
}

fn instruments() -> Option<&'static Instruments> {
    INSTRUMENTS.get()
}

/// Counts a failure of a store's engine.
pub(crate) fn store_failed(kind: &'static str) {
    if let Some(instruments) = instruments() {
        instruments.store_failures.add(1, &[KeyValue::new(names::ERROR_TYPE, kind)]);
    }
}

/// What goes out, until it is stopped.
#[derive(Debug)]
pub struct Telemetry {
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The address of one signal: its own variable's as it is, else below the endpoint of both.
fn address(endpoint: &str, path: &str, own: &str) -> Result<String, TelemetryError> {
    let address = variable(own).unwrap_or_else(|| format!("{}{path}", endpoint.trim_end_matches('/')));
    let parsed = url::Url::parse(&address).map_err(|_| TelemetryError::Endpoint)?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none_or(str::is_empty) {
        return Err(TelemetryError::Endpoint);
    }
    Ok(address)
}

impl Telemetry {
    /// Begins to tell the collector at this address; `transport` is how messages come (`tcp`, `unix`, `pipe`). `None`
    /// where `OTEL_SDK_DISABLED` is true. To be called within the runtime, which sends.
    ///
    /// # Errors
    /// See [`TelemetryError`].
    pub fn start(endpoint: &str, transport: &'static str) -> Result<Option<Self>, TelemetryError> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        if variable("OTEL_EXPORTER_OTLP_PROTOCOL").is_some_and(|protocol| protocol != "http/protobuf") {
            return Err(TelemetryError::Protocol);
        }
        let failed = |error: &dyn std::fmt::Display| TelemetryError::Exporter(error.to_string());
        let timeout = variable("OTEL_EXPORTER_OTLP_TIMEOUT").and_then(|text| text.parse().ok());
        let timeout = timeout.map_or(PATIENCE, Duration::from_millis);
        let client = Arc::new(client::Client::new(timeout).map_err(|error| failed(&error))?);
        let spans = SpanExporter::builder()
            .with_http()
            .with_shared_http_client(Arc::<client::Client>::clone(&client))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address(endpoint, "/v1/traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")?)
            .build();
        let metrics = MetricExporter::builder()
            .with_http()
            .with_shared_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address(endpoint, "/v1/metrics", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")?)
            .build();
        let mut resource = Resource::builder();
        if variable("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
        }
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let spans = SdkTracerProvider::builder()
            .with_batch_exporter(spans.map_err(|error| failed(&error))?)
            .with_resource(resource.clone())
            .build();
        let metrics = SdkMeterProvider::builder()
            .with_periodic_exporter(metrics.map_err(|error| failed(&error))?)
            .with_resource(resource)
            .build();
        let meter = metrics.meter(names::SCOPE);
        let durations = meter.f64_histogram(names::DURATION).with_unit("s").with_boundaries(names::BUCKETS.to_vec());
        let instruments = Instruments {
            tracer: spans.tracer(names::SCOPE),
            durations: durations.build(),
            store_failures: meter.u64_counter(names::STORE_FAILURES).build(),
            transport,
        };
        INSTRUMENTS.set(instruments).map_err(|_| TelemetryError::Twice)?;
        Ok(Some(Self { spans, metrics }))
    }

    /// Counts what this state has from now on, as long as it lives.
    pub fn watch(&self, shared: &Arc<Shared>) {
        counts::watch(&self.metrics.meter(names::SCOPE), shared);
    }

    /// Sends what is left, for a short time only.
    pub async fn stop(self) {
        let Self { spans, metrics } = self;
        let spans = tokio::task::spawn_blocking(move || spans.shutdown_with_timeout(FAREWELL));
        let metrics = tokio::task::spawn_blocking(move || metrics.shutdown_with_timeout(FAREWELL));
        if tokio::time::timeout(FAREWELL, async { (spans.await, metrics.await) }).await.is_err() {
            tracing::warn!("the collector does not answer: the last telemetry is lost");
        }
    }
}
