//! What the upstream offers: tools with the kind of schemas that real servers have, two resources and a prompt.

use serde_json::{Value, json};

use crate::mcp::tool_name;

/// The tools, each with a description, an object schema and annotations (about 600 bytes of JSON).
pub(super) fn tools(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            json!({
                "name": tool_name(number),
                "title": format!("Report tool {number}"),
                "description": "Reads the report at the path and returns its text, at most count \
                                sections of it, with those of linked reports when recursive is set.",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "path": { "type": "string", "description": "Absolute path of the report" },
                        "count": { "type": "integer", "minimum": 1, "maximum": 100 },
                        "recursive": { "type": "boolean", "description": "Follow links" },
                        "text": { "type": "string", "description": "Text to look for" }
                    },
                    "required": ["path"]
                },
                "annotations": { "readOnlyHint": number % 2 == 0, "openWorldHint": false }
            })
        })
        .collect()
}

pub(super) fn resources() -> Value {
    json!([
        { "uri": "bench://reports/1", "name": "report-1", "mimeType": "text/plain" },
        { "uri": "bench://reports/2", "name": "report-2", "mimeType": "text/plain" }
    ])
}

pub(super) fn resource_templates() -> Value {
    json!([{ "uriTemplate": "bench://reports/{number}", "name": "report", "mimeType": "text/plain" }])
}

pub(super) fn prompts() -> Value {
    json!([{ "name": "summary", "description": "Summarises a report",
             "arguments": [{ "name": "path", "required": true }] }])
}

pub(super) fn capabilities() -> Value {
    json!({
        "tools": { "listChanged": true },
        "resources": { "listChanged": true },
        "prompts": { "listChanged": true },
        "completions": {}
    })
}
