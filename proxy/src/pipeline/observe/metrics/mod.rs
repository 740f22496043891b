//! Metrics: what is counted, and the one registry that the Prometheus page and the OTLP export both read.
//!
//! Recording touches atomics only ([`instrument`]); labels are bounded by construction ([`labels`], [`family`]).
//!
//! To add a metric: its name in [`super::names::metric`], a line in `registry!`, and labels where it has any.

pub mod family;
pub mod instrument;
pub mod labels;
pub mod prometheus;

#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use family::{Family, Labels};
pub use family::{NameId, Names};
use instrument::{Counter, Gauge, Histogram, HistogramValue, MCP_BOUNDS, OVERHEAD_BOUNDS};
use labels::{
    CatalogueLabels, CodeLabels, DecisionLabels, DirectionLabels, KindLabels, MaskingLabels, Operation, ReasonLabels,
    ResultLabels, SessionLabels, TelemetryLabels, UpstreamLabels,
};

use super::names::{attribute, metric};

/// A metric's unit (UCUM).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `s`
    Seconds,
    /// `1`
    Ratio,
    /// A count of things, as in `{record}`.
    Count(&'static str),
}

impl Unit {
    /// As OTLP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Ratio => "1",
            Self::Count(what) => what,
        }
    }
}

/// A combination of labels with their values.
pub type LabelSet = Vec<(&'static str, String)>;

/// The values of a metric.
#[derive(Clone, Debug)]
pub enum Points {
    /// Counts that only grow.
    Counter(Vec<(LabelSet, u64)>),
    /// Values that go up and down.
    Gauge(Vec<(LabelSet, f64)>),
    /// Durations.
    Histogram(Vec<(LabelSet, HistogramValue)>),
}

/// A metric with its values.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The convention's name, with dots.
    pub name: &'static str,
    /// Unit.
    pub unit: Unit,
    /// One sentence.
    pub help: &'static str,
    /// Values, in the order of their labels.
    pub points: Points,
}

/// An instrument that can tell its values.
trait Instrument {
    type Value;
    fn value(&self) -> Self::Value;
    fn points(values: Vec<(LabelSet, Self::Value)>) -> Points;
}

impl Instrument for Counter {
    type Value = u64;
    fn value(&self) -> u64 {
        self.value()
    }
    fn points(values: Vec<(LabelSet, u64)>) -> Points {
        Points::Counter(values)
    }
}

impl Instrument for Gauge {
    type Value = f64;
    #[expect(clippy::cast_precision_loss, reason = "gauges are small")]
    fn value(&self) -> f64 {
        self.value() as f64
    }
    fn points(values: Vec<(LabelSet, f64)>) -> Points {
        Points::Gauge(values)
    }
}

impl Instrument for Histogram {
    type Value = HistogramValue;
    fn value(&self) -> HistogramValue {
        self.value()
    }
    fn points(values: Vec<(LabelSet, HistogramValue)>) -> Points {
        Points::Histogram(values)
    }
}

fn collect_family<L: Labels, I: Instrument>(family: &Family<L, I>, names: &Names) -> Points {
    let mut values = Vec::new();
    family.each(|labels, instrument| {
        let mut set = LabelSet::new();
        match labels {
            Some(labels) => labels.each(names, &mut |key, value| set.push((key, value.to_owned()))),
            None => set.push((attribute::OTEL_METRIC_OVERFLOW, "true".to_owned())),
        }
        values.push((set, instrument.value()));
    });
    values.sort_by(|(a, _), (b, _)| a.cmp(b));
    I::points(values)
}

type Source = Box<dyn Fn(&mut Vec<Metric>) + Send + Sync>;

macro_rules! registry {
    ($($(#[doc = $help:literal])* $field:ident: $labels:ty, $instrument:ty = $make:expr, $name:expr, $unit:expr;)*) => {
        /// Every metric of the process.
        pub struct Metrics {
            names: Names,
            started: Instant,
            sources: Mutex<Vec<Source>>,
            $($(#[doc = $help])* pub $field: Family<$labels, $instrument>,)*
        }

        impl Default for Metrics {
            fn default() -> Self {
                Self {
                    names: Names::default(),
                    started: Instant::now(),
                    sources: Mutex::default(),
                    $($field: Family::new($make),)*
                }
            }
        }

        impl Metrics {
            fn collect_families(&self) -> Vec<Metric> {
                vec![$(Metric {
                    name: $name,
                    unit: $unit,
                    help: concat!($($help),*).trim_ascii_start(),
                    points: collect_family(&self.$field, &self.names),
                },)*]
            }
        }
    };
}

registry! {
    /// Duration of MCP operations as the client sees them.
    server_operation: Operation, Histogram = || Histogram::new(MCP_BOUNDS),
        metric::MCP_SERVER_OPERATION_DURATION, Unit::Seconds;
    /// Duration of single tries at the upstream.
    client_operation: Operation, Histogram = || Histogram::new(MCP_BOUNDS),
        metric::MCP_CLIENT_OPERATION_DURATION, Unit::Seconds;
    /// Duration of legacy sessions and stdio connections.
    session_duration: SessionLabels, Histogram = || Histogram::new(MCP_BOUNDS),
        metric::MCP_SERVER_SESSION_DURATION, Unit::Seconds;
    /// Time that messages spend in Doorward itself, waiting for the upstream excluded.
    overhead: DirectionLabels, Histogram = || Histogram::new(OVERHEAD_BOUNDS),
        metric::PROXY_OVERHEAD_DURATION, Unit::Seconds;
    /// Decisions.
    decisions: DecisionLabels, Counter = Counter::default, metric::DECISIONS, Unit::Count("{decision}");
    /// Refusals and faults by stable code.
    refusals: CodeLabels, Counter = Counter::default, metric::REFUSALS, Unit::Count("{refusal}");
    /// Policies that could not be evaluated; each of them denied.
    cedar_errors: KindLabels, Counter = Counter::default, metric::CEDAR_ERRORS, Unit::Count("{error}");
    /// Values that were masked.
    masking_redactions: MaskingLabels, Counter = Counter::default,
        metric::MASKING_REDACTIONS, Unit::Count("{redaction}");
    /// Whether the last reload took effect (1) or the state before it stays (0).
    last_reload_success: (), Gauge = Gauge::default, metric::CONFIG_LAST_RELOAD_SUCCESS, Unit::Count("{success}");
    /// Reloads of configuration and policies.
    reloads: ResultLabels, Counter = Counter::default, metric::CONFIG_RELOADS, Unit::Count("{reload}");
    /// Open event streams.
    streams: UpstreamLabels, Gauge = Gauge::default, metric::STREAMS_ACTIVE, Unit::Count("{stream}");
    /// Open client connections.
    connections: (), Gauge = Gauge::default, metric::CONNECTIONS_ACTIVE, Unit::Count("{connection}");
    /// Messages of an upstream that were not passed on: late, second, unmatched, unasked.
    upstream_dropped: ReasonLabels, Counter = Counter::default, metric::UPSTREAM_DROPPED, Unit::Count("{message}");
    /// Changes of what an upstream offers.
    catalogue_changes: CatalogueLabels, Counter = Counter::default,
        metric::CATALOGUE_CHANGES, Unit::Count("{change}");
    /// Spans and exports that were lost.
    telemetry_dropped: TelemetryLabels, Counter = Counter::default,
        metric::TELEMETRY_DROPPED, Unit::Count("{item}");
    /// Trace headers that are not valid and were ignored.
    trace_context_invalid: ReasonLabels, Counter = Counter::default,
        metric::TRACE_CONTEXT_INVALID, Unit::Count("{header}");
}

impl Metrics {
    /// The names that may be labels.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Adds metrics that are computed when they are read.
    pub fn add_source(&self, source: impl Fn(&mut Vec<Metric>) + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// Every metric that has a value.
    pub fn collect(&self) -> Vec<Metric> {
        let mut metrics = self.collect_families();
        for source in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            source(&mut metrics);
        }
        metrics.retain(|metric| match &metric.points {
            Points::Counter(points) => !points.is_empty(),
            Points::Gauge(points) => !points.is_empty(),
            Points::Histogram(points) => !points.is_empty(),
        });
        metrics
    }

    /// How long the process has been counting.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// An MCP operation ended, as the client sees it.
    pub fn server_operation(&self, operation: Operation, duration: Duration) {
        self.server_operation.with(operation, |histogram| histogram.record(duration));
    }

    /// A try at the upstream ended.
    pub fn client_operation(&self, operation: Operation, duration: Duration) {
        self.client_operation.with(operation, |histogram| histogram.record(duration));
    }

    /// Doorward's own share of a `request` or `response`.
    pub fn overhead(&self, direction: &'static str, duration: Duration) {
        self.overhead.with(DirectionLabels { direction }, |histogram| histogram.record(duration));
    }

    /// A stage decided; `reason` is a stable code or empty.
    pub fn decision(&self, stage: &'static str, decision: &'static str, reason: &'static str) {
        self.decisions.with(DecisionLabels { stage, decision, reason }, |counter| counter.add(1));
    }

    /// A message was refused, or failed, with this stable code.
    pub fn refused(&self, code: &'static str) {
        self.refusals.with(CodeLabels { code }, |counter| counter.add(1));
    }

    /// Policies could not be evaluated.
    pub fn cedar_errors(&self, count: u64) {
        self.cedar_errors.with(KindLabels { kind: "evaluation" }, |counter| counter.add(count));
    }

    /// A message of an upstream was not passed on.
    pub fn upstream_dropped(&self, reason: &'static str) {
        self.upstream_dropped.with(ReasonLabels { reason }, |counter| counter.add(1));
    }

    /// Parts of a message were masked.
    pub fn redacted(&self, detector: &str, count: u64) {
        let detector = self.names.id(detector);
        let labels = MaskingLabels { detector, direction: "response" };
        self.masking_redactions.with(labels, |counter| counter.add(count));
    }

    /// A reload took effect, or not.
    pub fn reloaded(&self, success: bool) {
        self.last_reload_success.with((), |gauge| gauge.set(i64::from(success)));
        let result = if success { "ok" } else { "refused" };
        self.reloads.with(ResultLabels { result }, |counter| counter.add(1));
    }

    /// A legacy session, or one on stdio, has ended.
    pub fn session_ended(&self, revision: &'static str, network: &'static str, duration: Duration) {
        let labels = SessionLabels { revision: Some(revision), network };
        self.session_duration.with(labels, |histogram| histogram.record(duration));
    }

    /// An event stream to a client was opened (1) or has ended (-1).
    pub fn streams(&self, upstream: &str, change: i64) {
        let labels = UpstreamLabels { upstream: self.names.id(upstream) };
        self.streams.with(labels, |gauge| gauge.add(change));
    }

    /// A client connected (1) or has gone (-1).
    pub fn connections(&self, change: i64) {
        self.connections.with((), |gauge| gauge.add(change));
    }

    /// An upstream's tools are not what they were.
    pub fn catalogue_changed(&self, upstream: &str) {
        let labels = CatalogueLabels { server: self.names.id(upstream) };
        self.catalogue_changes.with(labels, |counter| counter.add(1));
    }

    /// Spans or exports were lost.
    pub fn telemetry_dropped(&self, signal: &'static str, reason: &'static str, count: u64) {
        self.telemetry_dropped.with(TelemetryLabels { signal, reason }, |counter| counter.add(count));
    }
}
