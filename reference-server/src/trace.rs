//! The trace that a request belongs to (W3C Trace Context), so that the log lines of a request can be found by it.
//!
//! In: `_meta.traceparent` (SEP-414), else the HTTP header of the same name. Out: a span around the request, with the
//! trace's id and the caller's span. What is not in the form of the recommendation is left out.

use axum::http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tracing::Span;
use tracing::field::Empty;

/// The ids of a caller's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parent<'a> {
    trace: &'a str,
    span: &'a str,
}

impl<'a> Parent<'a> {
    /// Reads `version-traceid-parentid-flags` (Trace Context, section 3.2.2); later versions may append fields.
    fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let form = hex(version, 2) && version != "ff" && hex(flags, 2) && (version != "00" || fields.next().is_none());
        let ids = hex(trace, 32) && hex(span, 16) && [trace, span].iter().all(|id| id.bytes().any(|byte| byte != b'0'));
        (form && ids).then_some(Self { trace, span })
    }
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The span of a request. At the level of errors, so that every line of a request carries it whatever is logged.
#[must_use]
pub fn span(method: &'static str, context: &RequestContext<RoleServer>) -> Span {
    let span = tracing::error_span!("request", method, trace_id = Empty, parent_id = Empty);
    let header = || context.extensions.get::<Parts>()?.headers.get("traceparent")?.to_str().ok();
    if let Some(parent) = context.meta.get_traceparent().or_else(header).and_then(Parent::parse) {
        span.record("trace_id", parent.trace);
        span.record("parent_id", parent.span);
    }
    span
}

#[cfg(test)]
mod tests;
