//! The trace that a request belongs to (W3C Trace Context), so that the log lines of a request can be found by it.
//!
//! In: `_meta.traceparent` (SEP-414), else the HTTP header of the same name. Out: a span around the request, with the
//! trace's id and the caller's span. What is not in the form of the recommendation is left out.

use std::str::FromStr as _;

use axum::http::request::Parts;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tracing::Span;
use tracing::field::Empty;

/// Longest state of other tracers that is passed on, in bytes.
const STATE_BYTES_MAX: usize = 512;

/// The ids of a caller's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parent<'a> {
    trace: &'a str,
    span: &'a str,
    sampled: bool,
}

impl<'a> Parent<'a> {
    /// Reads `version-traceid-parentid-flags` (Trace Context, section 3.2.2); later versions may append fields.
    fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let form = hex(version, 2) && version != "ff" && hex(flags, 2) && (version != "00" || fields.next().is_none());
        let ids = hex(trace, 32) && hex(span, 16) && [trace, span].iter().all(|id| id.bytes().any(|byte| byte != b'0'));
        (form && ids).then(|| Self {
            trace,
            span,
            sampled: u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1),
        })
    }

    fn context(self, state: Option<&str>) -> Option<SpanContext> {
        let (trace, span) = (TraceId::from_hex(self.trace).ok()?, SpanId::from_hex(self.span).ok()?);
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let state =
            state.filter(|state| state.len() <= STATE_BYTES_MAX).and_then(|state| TraceState::from_str(state).ok());
        Some(SpanContext::new(trace, span, flags, true, state.unwrap_or_default()))
    }
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn header<'a>(name: &str, context: &'a RequestContext<RoleServer>) -> Option<&'a str> {
    context.extensions.get::<Parts>()?.headers.get(name)?.to_str().ok()
}

/// What a request's span is a child of, and the span beside it that it is linked to: `_meta` goes before the header.
pub(crate) fn parents(context: &RequestContext<RoleServer>) -> (Option<SpanContext>, Option<SpanContext>) {
    let of = |parent: Option<&str>, state| parent.and_then(Parent::parse).and_then(|parent| parent.context(state));
    let told = of(context.meta.get_traceparent(), context.meta.get_tracestate());
    let carried = of(header("traceparent", context), header("tracestate", context));
    match (told, carried) {
        (Some(told), Some(carried)) if told != carried => (Some(told), Some(carried)),
        (told, carried) => (told.or(carried), None),
    }
}

/// The span of a request. At the level of errors, so that every line of a request carries it whatever is logged.
#[must_use]
pub fn span(method: &'static str, context: &RequestContext<RoleServer>) -> Span {
    let span = tracing::error_span!("request", method, trace_id = Empty, parent_id = Empty);
    let header = || header("traceparent", context);
    if let Some(parent) = context.meta.get_traceparent().or_else(header).and_then(Parent::parse) {
        span.record("trace_id", parent.trace);
        span.record("parent_id", parent.span);
    }
    span
}

#[cfg(test)]
mod tests;
