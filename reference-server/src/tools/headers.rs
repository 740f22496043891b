//! A tool whose arguments are mirrored into `Mcp-Param-*` headers (SEP-2243): string, integer, boolean and nested.

use serde::Deserialize;
use serde_json::json;

use super::{Call, Entry, Outcome, text, tool};

pub(super) fn entries() -> Vec<Entry> {
    let schema = json!({
        "type": "object",
        "properties": {
            "region": {"type": "string", "description": "Mirrored as Mcp-Param-Region", "x-mcp-header": "Region"},
            "priority": {"type": "integer", "description": "Mirrored as Mcp-Param-Priority", "x-mcp-header": "Priority"},
            "urgent": {"type": "boolean", "description": "Mirrored as Mcp-Param-Urgent", "x-mcp-header": "Urgent"},
            "target": {
                "type": "object",
                "properties": {
                    "tenant": {"type": "string", "description": "Mirrored as Mcp-Param-Tenant", "x-mcp-header": "Tenant"}
                }
            },
            "note": {"type": "string", "description": "Not mirrored"}
        },
        "required": ["region"]
    });
    vec![Entry::new(
        tool("test_custom_headers", "Takes arguments that are mirrored into request headers.", schema),
        mirrored,
    )]
}

#[derive(Deserialize)]
struct Target {
    tenant: Option<String>,
}

#[derive(Deserialize)]
struct Mirrored {
    region: String,
    priority: Option<i64>,
    urgent: Option<bool>,
    target: Option<Target>,
    note: Option<String>,
}

async fn mirrored(call: Call) -> Outcome {
    let Mirrored { region, priority, urgent, target, note } = call.arguments()?;
    let tenant = target.and_then(|target| target.tenant);
    Ok(text(format!("region={region}, priority={priority:?}, urgent={urgent:?}, tenant={tenant:?}, note={note:?}")))
}
