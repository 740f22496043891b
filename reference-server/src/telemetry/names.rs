//! Names of spans, metrics and attributes, by the conventions of OpenTelemetry for MCP (in development, as of 2026-08).
//!
//! Owned here: the crate of conventions marks them as moved.

pub(super) const SCOPE: &str = "doorward.reference_server";

pub(super) const METHOD: &str = "mcp.method.name";
pub(super) const PROTOCOL: &str = "mcp.protocol.version";
pub(super) const REQUEST_ID: &str = "jsonrpc.request.id";
pub(super) const TRANSPORT: &str = "network.transport";
pub(super) const TOOL: &str = "gen_ai.tool.name";
pub(super) const PROMPT: &str = "gen_ai.prompt.name";
pub(super) const OPERATION: &str = "gen_ai.operation.name";
pub(super) const ERROR_TYPE: &str = "error.type";
/// As of the released conventions; a later one calls it `rpc.status_code`.
pub(super) const STATUS_CODE: &str = "rpc.response.status_code";
pub(super) const STORE_OPERATION: &str = "db.operation.name";

pub(super) const DURATION: &str = "mcp.server.operation.duration";
pub(super) const BUCKETS: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

pub(super) const TASKS: &str = "doorward.reference_server.tasks";
pub(super) const LOOKUPS: &str = "doorward.reference_server.cache.lookups";
pub(super) const RESULT: &str = "result";
pub(super) const CACHE_FAILURES: &str = "doorward.reference_server.cache.failures";
pub(super) const STORE_FAILURES: &str = "doorward.reference_server.store.failures";
