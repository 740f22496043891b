//! Every name that telemetry uses, in one file: a renamed convention is a change here and in the test that pins it.
//!
//! The MCP names are those of the OpenTelemetry GenAI conventions (`open-telemetry/semantic-conventions-genai`,
//! `docs/gen-ai/mcp.md`, status Development); the generated constants of the Rust crate are deprecated since v1.42, so the
//! strings are ours. Names of our own begin with `doorward.`.

/// Attributes.
pub mod attribute {
    /// Required on MCP spans and metrics.
    pub const MCP_METHOD_NAME: &str = "mcp.method.name";
    /// Revision.
    pub const MCP_PROTOCOL_VERSION: &str = "mcp.protocol.version";
    /// The URI of a resource: spans only.
    pub const MCP_RESOURCE_URI: &str = "mcp.resource.uri";
    /// A JSON-RPC code, an HTTP status, `tool_error`, or a low-cardinality name.
    pub const ERROR_TYPE: &str = "error.type";
    /// Tool.
    pub const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";
    /// Prompt.
    pub const GEN_AI_PROMPT_NAME: &str = "gen_ai.prompt.name";
    /// `execute_tool` for `tools/call`.
    pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
    /// At most 64 characters; not set for notifications.
    pub const JSONRPC_REQUEST_ID: &str = "jsonrpc.request.id";
    /// Becomes `rpc.status_code` in a release after v1.44.
    pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";
    /// `tcp`, `pipe` or `unix`.
    pub const NETWORK_TRANSPORT: &str = "network.transport";
    /// `http`.
    pub const NETWORK_PROTOCOL_NAME: &str = "network.protocol.name";
    /// `1.1` or `2`.
    pub const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
    /// Configured address of the upstream.
    pub const SERVER_ADDRESS: &str = "server.address";
    /// The peer: spans only.
    pub const CLIENT_ADDRESS: &str = "client.address";
    /// HTTP method.
    pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
    /// HTTP status.
    pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
    /// Configured route.
    pub const HTTP_ROUTE: &str = "http.route";
    /// Number of the try, from 1, where there was more than one.
    pub const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
    /// `http` or `https`.
    pub const URL_SCHEME: &str = "url.scheme";
    /// Guardrail: what was examined.
    pub const GUARDRAIL_TARGET_TYPE: &str = "gen_ai.guardrail.target.type";
    /// Guardrail: what came of it.
    pub const GUARDRAIL_VERDICT_TYPE: &str = "gen_ai.guardrail.verdict.type";
    /// Guardrail: our stable code.
    pub const GUARDRAIL_VERDICT_CODE: &str = "gen_ai.guardrail.verdict.code";
    /// Guardrail: the policy set.
    pub const GUARDRAIL_POLICY_ID: &str = "gen_ai.guardrail.security.policy.id";
    /// Of the process.
    pub const SERVICE_NAME: &str = "service.name";
    /// Of the process.
    pub const SERVICE_VERSION: &str = "service.version";
    /// Of the process.
    pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
    /// Set on the one series that holds what is over the limit of series.
    pub const OTEL_METRIC_OVERFLOW: &str = "otel.metric.overflow";
    /// Ties a span to answer and audit record.
    pub const DECISION_ID: &str = "doorward.decision.id";
    /// Configured name of the upstream.
    pub const UPSTREAM: &str = "doorward.upstream";
    /// Stable code.
    pub const CODE: &str = "doorward.code";
}

/// Metrics, by the conventions' names or our own.
pub mod metric {
    /// One MCP message as the client sees it.
    pub const MCP_SERVER_OPERATION_DURATION: &str = "mcp.server.operation.duration";
    /// One try at the upstream.
    pub const MCP_CLIENT_OPERATION_DURATION: &str = "mcp.client.operation.duration";
    /// A legacy session or stdio connection.
    pub const MCP_SERVER_SESSION_DURATION: &str = "mcp.server.session.duration";
    /// Time in Doorward itself.
    pub const PROXY_OVERHEAD_DURATION: &str = "doorward.proxy.overhead.duration";
    /// Decisions by stage.
    pub const DECISIONS: &str = "doorward.decisions";
    /// Refusals and faults by stable code.
    pub const REFUSALS: &str = "doorward.refusals";
    /// Policies that could not be evaluated.
    pub const CEDAR_ERRORS: &str = "doorward.cedar.errors";
    /// Masked values.
    pub const MASKING_REDACTIONS: &str = "doorward.masking.redactions";
    /// Whether tokens of an issuer can be verified.
    pub const JWKS_USABLE: &str = "doorward.jwks.usable";
    /// Audit records kept.
    pub const AUDIT_RECORDS: &str = "doorward.audit.records";
    /// Audit records lost.
    pub const AUDIT_DROPPED: &str = "doorward.audit.dropped";
    /// Failed writes and syncs.
    pub const AUDIT_FAILURES: &str = "doorward.audit.failures";
    /// Share of the audit queue in use.
    pub const AUDIT_QUEUE_USAGE: &str = "doorward.audit.queue.usage";
    /// Whether the last reload took effect.
    pub const CONFIG_LAST_RELOAD_SUCCESS: &str = "doorward.config.last_reload.success";
    /// Reloads.
    pub const CONFIG_RELOADS: &str = "doorward.config.reloads";
    /// Open streams.
    pub const STREAMS_ACTIVE: &str = "doorward.streams.active";
    /// Open connections.
    pub const CONNECTIONS_ACTIVE: &str = "doorward.connections.active";
    /// Open sessions.
    pub const SESSIONS_ACTIVE: &str = "doorward.sessions.active";
    /// Upstream messages that were not passed on.
    pub const UPSTREAM_DROPPED: &str = "doorward.upstream.dropped";
    /// Changes of what an upstream offers.
    pub const CATALOGUE_CHANGES: &str = "doorward.catalogue.changes";
    /// Spans and exports that were lost.
    pub const TELEMETRY_DROPPED: &str = "doorward.telemetry.dropped";
    /// Trace headers that are not valid and were ignored.
    pub const TRACE_CONTEXT_INVALID: &str = "doorward.trace_context.invalid";
}

/// The value for everything that is in no table (OpenTelemetry's convention).
pub const OTHER: &str = "_OTHER";

/// MCP methods that are shown by name on metrics: those of all revisions; others are [`OTHER`].
pub const METHODS: [&str; 36] = [
    "completion/complete",
    "elicitation/create",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/initialized",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/roots/list_changed",
    "notifications/subscriptions/acknowledged",
    "notifications/tasks",
    "notifications/tasks/status",
    "notifications/tools/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];
