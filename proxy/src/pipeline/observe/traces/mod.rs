//! Traces: one SERVER span for each inbound message, one CLIENT span for each try at the upstream.
//!
//! In: a message's trace headers when it arrives ([`Tracer::begin`]), and what is known of it when it has ended
//! ([`Tracer::record`]). Out: the headers for the upstream ([`Trace::outgoing`]), and, for sampled messages only, spans in
//! a bounded queue that the exporter empties. Spans are built after the fact from timestamps; a message that is not
//! sampled costs a few random bytes.
//!
//! Invariants: telemetry never changes, delays or refuses a message; a queue without room drops and counts; a client's
//! `sampled` flag is followed only where configuration says so; ids correlate and never authorise; names and attributes
//! hold no argument, no result and no session id.

pub mod context;
pub mod span;

#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender, sync_channel},
};

pub use context::Parent;
pub use span::{SpanKind, SpanRecord};

use super::{
    metrics::{Metrics, labels::ReasonLabels},
    random,
    settings::OtlpSettings,
};

/// Spans that may wait for the exporter.
pub const QUEUE_SPANS_MAX: usize = 2048;

/// The trace headers of a message, as they came: untrusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carrier<'a> {
    /// `traceparent`.
    pub traceparent: Option<&'a str>,
    /// `tracestate`.
    pub tracestate: Option<&'a str>,
    /// `baggage`.
    pub baggage: Option<&'a str>,
}

/// A message's place in its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub trace_id: [u8; 16],
    /// Our SERVER span.
    pub span_id: [u8; 8],
    /// Whose child it is.
    pub parent: Option<[u8; 8]>,
    /// The HTTP head's span, where `_meta` names another.
    pub link: Option<Parent>,
    /// Whether spans are recorded.
    pub sampled: bool,
    tracestate: Option<Box<str>>,
    baggage: Option<Box<str>>,
    /// Where nothing is traced here: the parent goes on as it came.
    through: Option<Parent>,
    tracing: bool,
}

/// The headers for the upstream, and the values for `_meta`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// `traceparent`; `None`: send none.
    pub traceparent: Option<String>,
    /// `tracestate`; `None`: send none.
    pub tracestate: Option<Box<str>>,
    /// `baggage`; `None`: send none.
    pub baggage: Option<Box<str>>,
}

impl Trace {
    /// The headers for a try at the upstream whose CLIENT span has this id. They replace what the client sent, in the HTTP
    /// head as in `_meta`.
    pub fn outgoing(&self, client_span: [u8; 8]) -> Outgoing {
        let own = Parent { trace_id: self.trace_id, span_id: client_span, sampled: self.sampled };
        let parent = if self.tracing { Some(own) } else { self.through };
        Outgoing {
            traceparent: parent.map(|parent| parent.write()),
            tracestate: self.tracestate.clone(),
            baggage: self.baggage.clone(),
        }
    }
}

/// Decides what is traced, and takes spans. Cheap to clone.
#[derive(Clone)]
pub struct Tracer {
    export: Option<Arc<Export>>,
    metrics: Arc<Metrics>,
}

struct Export {
    queue: SyncSender<Box<SpanRecord>>,
    /// Of 2^32 messages, so many are sampled.
    sampled_of_4g: u64,
    flag_trusted: bool,
    baggage_keys: Box<[String]>,
}

impl Tracer {
    /// Traces nothing; valid trace headers go on as they came, baggage does not.
    pub fn disabled(metrics: Arc<Metrics>) -> Self {
        Self { export: None, metrics }
    }

    /// Traces for an exporter, which empties the queue that is returned.
    pub fn new(settings: &OtlpSettings, metrics: Arc<Metrics>) -> (Self, Receiver<Box<SpanRecord>>) {
        let (queue, spans) = sync_channel(QUEUE_SPANS_MAX);
        let ratio = settings.sampling_ratio.clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32 by the clamp")]
        let sampled_of_4g = (ratio * 4_294_967_296.0) as u64;
        let export = Export {
            queue,
            sampled_of_4g,
            flag_trusted: settings.sampled_flag_trusted,
            baggage_keys: settings.baggage_keys.clone().into(),
        };
        (Self { export: Some(Arc::new(export)), metrics }, spans)
    }

    /// Finds a message's place in its trace, from its `_meta` and its HTTP head.
    pub fn begin(&self, meta: Carrier<'_>, http: Carrier<'_>) -> Trace {
        let in_meta = self.parent(meta.traceparent, "meta");
        let in_http = self.parent(http.traceparent, "http");
        let carrier = if in_meta.is_some() { meta } else { http };
        let parent = in_meta.or(in_http);
        let link = in_http.filter(|http| parent.is_some_and(|parent| parent != *http));
        let tracestate = parent.and(carrier.tracestate).and_then(|text| {
            let valid = context::tracestate(text);
            self.count_invalid(valid.is_none(), "tracestate");
            valid
        });
        let keys = self.export.as_ref().map_or(&[][..], |export| &export.baggage_keys);
        let baggage = meta.baggage.or(http.baggage).and_then(|text| context::baggage(text, keys));
        Trace {
            trace_id: parent.map_or_else(random::nonzero_bytes, |parent| parent.trace_id),
            span_id: random::nonzero_bytes(),
            parent: parent.map(|parent| parent.span_id),
            link,
            sampled: self.samples(parent),
            tracestate: tracestate.map(Into::into),
            baggage: baggage.map(Into::into),
            through: parent,
            tracing: self.export.is_some(),
        }
    }

    /// A new span's id.
    pub fn span_id(&self) -> [u8; 8] {
        random::nonzero_bytes()
    }

    /// Takes a span of a sampled trace; one that finds no room is dropped and counted. `build` is not called for others.
    pub fn record(&self, trace: &Trace, build: impl FnOnce() -> SpanRecord) {
        let Some(export) = &self.export else {
            return;
        };
        if trace.sampled && export.queue.try_send(Box::new(build())).is_err() {
            self.metrics.telemetry_dropped("traces", "queue_full", 1);
        }
    }

    fn parent(&self, text: Option<&str>, carrier: &'static str) -> Option<Parent> {
        let text = text?;
        let parent = Parent::parse(text);
        self.count_invalid(parent.is_none(), carrier);
        parent
    }

    fn count_invalid(&self, invalid: bool, reason: &'static str) {
        if invalid {
            self.metrics.trace_context_invalid.with(ReasonLabels { reason }, |counter| counter.add(1));
        }
    }

    fn samples(&self, parent: Option<Parent>) -> bool {
        let Some(export) = &self.export else {
            return false;
        };
        match parent {
            Some(parent) if export.flag_trusted => parent.sampled,
            // A number of our own: a trace id is the client's choice.
            _ => u64::from(u32::from_ne_bytes(random::bytes())) < export.sampled_of_4g,
        }
    }
}
