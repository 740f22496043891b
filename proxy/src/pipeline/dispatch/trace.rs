//! Trace context on its way upstream: as header lines, and in `_meta` where the client sent some there.
//!
//! Both say the same, so that the upstream finds our span as its parent wherever it looks (MCP 2026-07-28, basic, `_meta`;
//! SEP-414). In `_meta` a member that is there gets the value that travels on, and goes where none does; nothing is added, and
//! every other byte stays as it came. No decision reads these members.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use doorward_message::{Message, Splice, SpliceError, Value, json::quote};
use http::{HeaderName, HeaderValue};

use super::traces::Outgoing;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// The header lines. The client's own were dropped with its other headers.
pub(super) fn headers(trace: Option<&Outgoing>) -> Vec<(HeaderName, HeaderValue)> {
    let Some(trace) = trace else {
        return Vec::new();
    };
    let lines = [
        (TRACEPARENT, trace.traceparent.as_deref()),
        (TRACESTATE, trace.tracestate.as_deref()),
        (BAGGAGE, trace.baggage.as_deref()),
    ];
    lines
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value?).ok()?)))
        .collect()
}

/// The message's bytes with the trace context of its `_meta` renewed. Without any it is the same buffer.
///
/// # Errors
/// [`SpliceError`] cannot come of a parsed message.
pub(super) fn body(message: &Message, trace: Option<&Outgoing>) -> Result<Bytes, SpliceError> {
    let meta = message.params().and_then(|_| message.meta());
    let (Some(trace), Some(meta)) = (trace, meta) else {
        return Ok(message.bytes().clone());
    };
    let parent = trace.traceparent.as_deref();
    // A `tracestate` belongs to the `traceparent` beside it.
    let state = meta.get(TRACEPARENT).and(parent).and(trace.tracestate.as_deref());
    let renewed = |key: Value<'_>| match key {
        key if key.is_str(TRACEPARENT) => Some(parent),
        key if key.is_str(TRACESTATE) => Some(state),
        key if key.is_str(BAGGAGE) => Some(trace.baggage.as_deref()),
        _ => None,
    };
    let mut splice = Splice::new(message.bytes());
    for (key, value) in meta.entries() {
        if let Some(Some(text)) = renewed(key)
            && !value.is_str(text)
        {
            splice = splice.replace(value.span(), quote(text).as_bytes());
        }
    }
    splice.remove_members(meta, |key| renewed(key) == Some(None))?.finish()
}
