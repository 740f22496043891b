//! A span as it is exported: names, attributes and status by the MCP conventions.

use std::net::IpAddr;

use super::super::{
    audit::{Target, TargetKind},
    metrics::labels::ErrorType,
    names::attribute,
    text,
};
use super::{Parent, Trace};
use crate::model::{DecisionId, Fault, Source};

/// Characters of a name or attribute that a client or server chose.
const TEXT_CHARS_MAX: usize = 256;
/// Characters of a JSON-RPC id.
const ID_CHARS_MAX: usize = 64;

/// Which side of us a span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A message that came in.
    Server,
    /// A try at the upstream.
    Client,
}

/// What is known of a message, or of a try at the upstream, once it has ended.
#[derive(Clone, Debug)]
pub struct SpanRecord {
    /// The side.
    pub kind: SpanKind,
    /// The trace.
    pub trace_id: [u8; 16],
    /// This span.
    pub span_id: [u8; 8],
    /// The span above.
    pub parent: Option<[u8; 8]>,
    /// A span beside.
    pub link: Option<Parent>,
    /// Begin, in nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// End, in nanoseconds since the Unix epoch.
    pub end_unix_ns: u64,
    /// The JSON-RPC method.
    pub method: Box<str>,
    /// What it is about.
    pub target: Option<Target>,
    /// The id's JSON text; `None` for notifications.
    pub jsonrpc_id: Option<Box<str>>,
    /// Protocol revision.
    pub revision: Option<&'static str>,
    /// `tcp`, `unix` or `pipe`.
    pub network: &'static str,
    /// The upstream's configured name.
    pub upstream: Option<Box<str>>,
    /// The peer: SERVER spans.
    pub client_address: Option<IpAddr>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The JSON-RPC error code of the answer.
    pub rpc_code: Option<i32>,
    /// Whether a tool's result says `isError`.
    pub tool_error: bool,
    /// The stable code of our refusal.
    pub refusal: Option<&'static str>,
    /// Our fault.
    pub fault: Option<Fault>,
    /// Ties it to answer and audit record.
    pub decision_id: Option<DecisionId>,
    /// Number of the try, where there was more than one.
    pub resend_count: u32,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
}

impl SpanRecord {
    /// A message's SERVER span, with nothing told yet but its method and times.
    pub fn server(trace: &Trace, method: &str, start_unix_ns: u64, end_unix_ns: u64) -> Self {
        Self {
            kind: SpanKind::Server,
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            parent: trace.parent,
            link: trace.link,
            start_unix_ns,
            end_unix_ns,
            method: method.into(),
            target: None,
            jsonrpc_id: None,
            revision: None,
            network: "tcp",
            upstream: None,
            client_address: None,
            status: None,
            rpc_code: None,
            tool_error: false,
            refusal: None,
            fault: None,
            decision_id: None,
            resend_count: 0,
        }
    }

    /// The CLIENT span of a try, below the message's SERVER span.
    pub fn client(trace: &Trace, span_id: [u8; 8], method: &str, start_unix_ns: u64, end_unix_ns: u64) -> Self {
        Self {
            kind: SpanKind::Client,
            span_id,
            parent: Some(trace.span_id),
            link: None,
            ..Self::server(trace, method, start_unix_ns, end_unix_ns)
        }
    }

    /// `{method} {tool or prompt}`, else the method alone.
    pub fn name(&self) -> String {
        let method = shown(&self.method);
        match &self.target {
            Some(Target { kind: TargetKind::Tool | TargetKind::Prompt, name }) => {
                format!("{method} {}", shown(name))
            }
            _ => method,
        }
    }

    /// Whether the span's status is Error. A caller's fault, a refusal by policy and a tool's own error are not errors of
    /// a server; at the upstream's side every JSON-RPC error is one.
    pub fn is_error(&self) -> bool {
        let fault = self.fault.is_some_and(|fault| fault.source() != Source::Downstream);
        let answer = self.rpc_code.is_some_and(|code| match self.kind {
            SpanKind::Client => true,
            SpanKind::Server => self.refusal.is_none() && !is_callers(code),
        });
        fault || answer
    }

    fn error_type(&self) -> Option<String> {
        if let Some(fault) = self.fault {
            return Some(ErrorType::name_of_code(fault.public().code).to_owned());
        }
        if let Some(code) = self.refusal {
            return Some(ErrorType::name_of_code(code).to_owned());
        }
        if let Some(code) = self.rpc_code {
            return Some(code.to_string());
        }
        self.tool_error.then(|| "tool_error".to_owned())
    }

    /// Attributes by the MCP conventions.
    pub fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let mut out = Vec::with_capacity(16);
        let mut add = |key, value: Option<String>| {
            out.extend(value.map(|value| (key, AttributeValue::Text(value))));
        };
        add(attribute::MCP_METHOD_NAME, Some(shown(&self.method)));
        if let Some(target) = &self.target {
            match target.kind {
                TargetKind::Tool => add(attribute::GEN_AI_TOOL_NAME, Some(shown(&target.name))),
                TargetKind::Prompt => add(attribute::GEN_AI_PROMPT_NAME, Some(shown(&target.name))),
                TargetKind::Resource => {
                    // A query may hold anything, secrets too.
                    let path = target.name.split(['?', '#']).next().unwrap_or_default();
                    add(attribute::MCP_RESOURCE_URI, Some(shown(path)));
                }
                TargetKind::Template | TargetKind::Task => {}
            }
        }
        let tool_call = &*self.method == "tools/call";
        add(attribute::GEN_AI_OPERATION_NAME, tool_call.then(|| "execute_tool".to_owned()));
        let id = self.jsonrpc_id.as_deref().map(|id| escaped(id, ID_CHARS_MAX));
        add(attribute::JSONRPC_REQUEST_ID, id);
        add(attribute::MCP_PROTOCOL_VERSION, self.revision.map(str::to_owned));
        add(attribute::NETWORK_TRANSPORT, Some(self.network.to_owned()));
        add(attribute::UPSTREAM, self.upstream.as_deref().map(shown));
        add(attribute::CLIENT_ADDRESS, self.client_address.map(|address| address.to_string()));
        add(attribute::ERROR_TYPE, self.error_type());
        add(attribute::RPC_RESPONSE_STATUS_CODE, self.rpc_code.map(|code| code.to_string()));
        add(attribute::DECISION_ID, self.decision_id.map(|id| id.to_string()));
        if let Some(code) = self.refusal {
            add(attribute::GUARDRAIL_TARGET_TYPE, Some("input".to_owned()));
            add(attribute::GUARDRAIL_VERDICT_TYPE, Some("deny".to_owned()));
            add(attribute::GUARDRAIL_VERDICT_CODE, Some(code.to_owned()));
        }
        let mut add = |key, value: Option<i64>| {
            out.extend(value.map(|value| (key, AttributeValue::Integer(value))));
        };
        add(attribute::HTTP_RESPONSE_STATUS_CODE, self.status.map(i64::from));
        let resent = (self.resend_count > 0).then(|| i64::from(self.resend_count));
        add(attribute::HTTP_REQUEST_RESEND_COUNT, resent);
        out
    }
}

/// Codes that say that the caller was at fault.
fn is_callers(code: i32) -> bool {
    matches!(code, -32700 | -32600 | -32601 | -32602 | -32002 | -32020 | -32021 | -32022)
}

fn shown(text: &str) -> String {
    escaped(text, TEXT_CHARS_MAX)
}

fn escaped(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    text::push_escaped(&mut out, text::limited(text, chars_max));
    out
}
