//! Keys that look like protocol keys to a reader that ignores case.
//!
//! Go's JSON decoder matched keys case-insensitively and also folded U+017F (long s) and U+212A (Kelvin sign)
//! (CVE-2026-27896). A key that folds to a protocol key without being it is refused at the places where the protocol
//! gives keys a meaning; anywhere else, `arguments` above all, it is data.

use crate::{ParseError, json::Value};

/// Members of a JSON-RPC message.
pub const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];

/// Members of `params` with a meaning in any revision and direction.
pub const PARAMS: &[&str] = &[
    "_meta",
    "name",
    "arguments",
    "uri",
    "cursor",
    "ref",
    "argument",
    "context",
    "taskId",
    "task",
    "requestState",
    "inputResponses",
    "inputRequests",
    "notifications",
    "taskIds",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "level",
    "progressToken",
    "progress",
    "total",
    "message",
    "requestId",
    "reason",
    "data",
    "logger",
    "messages",
    "systemPrompt",
    "includeContext",
    "maxTokens",
    "modelPreferences",
    "tools",
    "toolChoice",
    "mode",
    "url",
    "requestedSchema",
    "elicitationId",
    "status",
    "result",
    "error",
];

/// Members of a `result` that this proxy or a client acts on.
pub const RESULT: &[&str] = &[
    "_meta",
    "resultType",
    "inputRequests",
    "requestState",
    "tools",
    "prompts",
    "resources",
    "resourceTemplates",
    "nextCursor",
    "ttlMs",
    "cacheScope",
    "contents",
    "content",
    "structuredContent",
    "isError",
    "messages",
    "completion",
    "description",
    "protocolVersion",
    "supportedVersions",
    "capabilities",
    "serverInfo",
    "instructions",
    "task",
    "tasks",
    "taskId",
    "status",
    "statusMessage",
    "result",
    "error",
    "skills",
    "roots",
    "action",
    "role",
    "model",
];

/// Members of `error`.
pub const ERROR: &[&str] = &["code", "message", "data"];

/// Members of `_meta` with a meaning.
pub const META: &[&str] = &[
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/serverInfo",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/subscriptionId",
    "io.modelcontextprotocol/related-task",
    "io.modelcontextprotocol/model-immediate-response",
    "progressToken",
    "traceparent",
    "tracestate",
    "baggage",
];

/// Members of `params.ref`.
pub const REFERENCE: &[&str] = &["type", "name", "uri", "title"];

/// Members of `params.argument`.
pub const ARGUMENT: &[&str] = &["name", "value"];

/// Members of `params.notifications`.
pub const SUBSCRIPTIONS: &[&str] =
    &["toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions", "taskIds"];

/// Whether `key` equals `protocol_key` when case is ignored as such readers do, exact equality included.
#[must_use]
pub fn folds_to(key: &str, protocol_key: &str) -> bool {
    // Folding never makes a text longer, and at most three times shorter (the Kelvin sign).
    key.len() >= protocol_key.len()
        && key.len() <= protocol_key.len() * 3
        && key.chars().map(fold).eq(protocol_key.chars().map(fold))
}

fn fold(character: char) -> char {
    match character {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// Refuses an object with a key that folds to one of `protocol_keys` without being it.
///
/// # Errors
/// [`ParseError::CaseVariant`] for the first such key.
pub fn refuse_variants(object: Value<'_>, protocol_keys: &'static [&'static str]) -> Result<(), ParseError> {
    for (key, _) in object.entries() {
        let offset = key.span().start;
        if protocol_keys.iter().any(|name| key.is_str(name)) {
            continue;
        }
        if let Some(key) = key.as_str()
            && let Some(protocol_key) = protocol_keys.iter().copied().find(|name| folds_to(&key, name))
        {
            return Err(ParseError::CaseVariant { key: protocol_key, offset });
        }
    }
    Ok(())
}
