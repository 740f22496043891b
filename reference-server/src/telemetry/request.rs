//! One request: its span, its duration, and the context that what it does belongs to.

use std::time::Instant;

use opentelemetry::trace::{
    FutureExt as _, Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use tracing::Instrument as _;

use super::{Instruments, instruments, names};
use crate::trace;

/// Longest id of a request in a span, in characters.
const ID_MAX: usize = 64;

/// Errors that are the caller's: the span of a server has no error for them.
const CALLERS: [i32; 8] = [-32700, -32600, -32601, -32602, -32002, -32020, -32021, -32022];

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// A method alone.
    Method(&'static str),
    /// A tool that there is.
    Tool(&'a str),
    /// A prompt, whether there is one or not.
    Prompt(&'a str),
}

impl Operation<'_> {
    fn method(self) -> &'static str {
        match self {
            Self::Method(method) => method,
            Self::Tool(_) => "tools/call",
            Self::Prompt(_) => "prompts/get",
        }
    }

    /// What says it in a metric: few values, since tools are ours and prompts are callers'.
    fn labels(self) -> Vec<KeyValue> {
        let mut labels = vec![KeyValue::new(names::METHOD, self.method())];
        if let Self::Tool(name) = self {
            labels.push(KeyValue::new(names::TOOL, name.to_owned()));
            labels.push(KeyValue::new(names::OPERATION, "execute_tool"));
        }
        labels
    }

    fn span_name(self) -> String {
        match self {
            Self::Tool(name) => format!("{} {name}", self.method()),
            Self::Method(_) | Self::Prompt(_) => self.method().to_owned(),
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Observation {
    logged: tracing::Span,
    seen: Option<Seen>,
}

impl Observation {
    /// Begins with a request.
    #[must_use]
    pub fn begin(operation: Operation<'_>, context: &RequestContext<RoleServer>) -> Self {
        let logged = trace::span(operation.method(), context);
        let seen = instruments().map(|instruments| Seen::begin(instruments, operation, context));
        Self { logged, seen }
    }

    /// The span of the request's lines in the log.
    #[must_use]
    pub fn logged(&self) -> &tracing::Span {
        &self.logged
    }

    /// Does what the request asks for.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn run<T>(self, work: impl Future<Output = Result<T, ErrorData>>) -> Result<T, ErrorData> {
        self.run_tool(work, |_| false).await
    }

    /// The same for an answer that may itself say that it failed.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn run_tool<T>(
        self,
        work: impl Future<Output = Result<T, ErrorData>>,
        failed: impl FnOnce(&T) -> bool,
    ) -> Result<T, ErrorData> {
        let work = work.instrument(self.logged);
        let Some(mut seen) = self.seen else { return work.await };
        let outcome = work.with_context(seen.context.clone()).await;
        match &outcome {
            Ok(answer) if failed(answer) => seen.error = Some("tool_error".to_owned()),
            Ok(_) => seen.error = None,
            Err(error) => seen.refused(error),
        }
        outcome
    }
}

/// What is told when the request ends, also when its caller goes away before.
#[derive(Debug)]
struct Seen {
    context: Context,
    begun: Instant,
    labels: Vec<KeyValue>,
    error: Option<String>,
}

impl Seen {
    fn begin(instruments: &Instruments, operation: Operation<'_>, context: &RequestContext<RoleServer>) -> Self {
        let mut labels = operation.labels();
        labels.push(KeyValue::new(names::TRANSPORT, instruments.transport));
        // Only the revisions that there are: a caller may name any.
        let version =
            context.protocol_version().filter(|version| rmcp::model::ProtocolVersion::KNOWN_VERSIONS.contains(version));
        labels.extend(version.map(|version| KeyValue::new(names::PROTOCOL, version.to_string())));
        let mut attributes = labels.clone();
        let id: String = context.id.to_string().chars().take(ID_MAX).collect();
        attributes.push(KeyValue::new(names::REQUEST_ID, id));
        if let Operation::Prompt(name) = operation
            && crate::storage::prompt::PromptName::parse(name).is_ok()
        {
            attributes.push(KeyValue::new(names::PROMPT, name.to_owned()));
        }
        let (parent, beside) = trace::parents(context);
        let mut building = instruments
            .tracer
            .span_builder(operation.span_name())
            .with_kind(SpanKind::Server)
            .with_attributes(attributes);
        if let Some(beside) = beside {
            building = building.with_links(vec![Link::with_context(beside)]);
        }
        let parent =
            parent.map_or_else(Context::new, |parent: SpanContext| Context::new().with_remote_span_context(parent));
        let span = instruments.tracer.build_with_context(building, &parent);
        let error = Some("cancelled".to_owned());
        Self { context: Context::new().with_span(span), begun: Instant::now(), labels, error }
    }

    fn refused(&mut self, error: &ErrorData) {
        let code = error.code.0;
        self.error = Some(code.to_string());
        let status = KeyValue::new(names::STATUS_CODE, code.to_string());
        self.labels.push(status.clone());
        let span = self.context.span();
        span.set_attribute(status);
        if !CALLERS.contains(&code) {
            // Without the message: it may hold what a caller sent.
            span.set_status(Status::error(""));
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        if let Some(error) = self.error.take() {
            let error = KeyValue::new(names::ERROR_TYPE, error);
            self.context.span().set_attribute(error.clone());
            self.labels.push(error);
        }
        self.context.span().end();
        if let Some(instruments) = instruments() {
            instruments.durations.record(self.begun.elapsed().as_secs_f64(), &self.labels);
        }
    }
}

/// Does something of the store within the span of the request that asked for it.
pub(super) async fn within<T, E>(
    operation: &'static str,
    kind: impl FnOnce(&E) -> Option<&'static str>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Some(instruments) = instruments() else { return work.await };
    let parent = Context::current();
    if !parent.span().span_context().is_sampled() {
        return work.await;
    }
    let building = instruments.tracer.span_builder(format!("store {operation}")).with_kind(SpanKind::Internal);
    let building = building.with_attributes([KeyValue::new(names::STORE_OPERATION, operation)]);
    let mut span = instruments.tracer.build_with_context(building, &parent);
    let outcome = work.await;
    if let Some(kind) = outcome.as_ref().err().and_then(kind) {
        span.set_attribute(KeyValue::new(names::ERROR_TYPE, kind));
        span.set_status(Status::error(""));
    }
    span.end();
    outcome
}
