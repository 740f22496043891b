//! What the scripted upstream answers when no script says otherwise: a small, correct MCP server of either era.

use serde_json::{Value, json};

use super::Era;

/// The tools it offers. `route` has mirrored parameters.
pub(crate) fn tools() -> Value {
    let tool = |name: &str, properties: Value| {
        json!({
            "name": name,
            "description": format!("{name} of the scripted upstream"),
            "inputSchema": { "type": "object", "properties": properties },
        })
    };
    json!([
        tool("echo", json!({ "message": { "type": "string" }, "n": { "type": "integer" } })),
        tool("read_path", json!({ "path": { "type": "string" } })),
        tool("delete_all", json!({})),
        tool("transfer", json!({ "to": { "type": "string" }, "amount": { "type": "integer" } })),
        tool(
            "lookup",
            json!({
                "u": { "type": "object", "properties": { "name": { "type": "string" } } },
                "ip": { "type": "object", "properties": {} },
            })
        ),
        tool(
            "route",
            json!({
                "tenant": { "type": "string", "x-mcp-header": "Tenant" },
                "count": { "type": "integer", "x-mcp-header": "Count" },
            })
        ),
    ])
}

fn cacheable(mut result: Value, era: Era) -> Value {
    if era == Era::Modern {
        result["resultType"] = json!("complete");
        result["ttlMs"] = json!(1000);
        result["cacheScope"] = json!("public");
    }
    result
}

fn resources() -> Value {
    json!([
        { "uri": "file:///allowed/a.txt", "name": "a.txt" },
        { "uri": "file:///secret/b.txt", "name": "b.txt" },
    ])
}

fn capabilities() -> Value {
    json!({
        "tools": { "listChanged": true },
        "resources": { "subscribe": true, "listChanged": true },
        "prompts": { "listChanged": true },
        "completions": {},
        "logging": {},
    })
}

/// The default result of a request, or `None` for an unknown method.
pub(crate) fn result(method: &str, message: &Value, era: Era) -> Option<Value> {
    let params = &message["params"];
    let done = |mut result: Value| {
        if era == Era::Modern {
            result["resultType"] = json!("complete");
        }
        result
    };
    let server = json!({ "name": "scripted", "version": "1" });
    Some(match (method, era) {
        ("server/discover", Era::Modern) => cacheable(
            json!({ "supportedVersions": ["2026-07-28"], "capabilities": capabilities(), "serverInfo": server }),
            era,
        ),
        ("initialize", Era::Legacy) => {
            let asked = params["protocolVersion"].as_str().unwrap_or_default();
            let known = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"].contains(&asked);
            let version = if known { asked } else { "2025-11-25" };
            json!({ "protocolVersion": version, "capabilities": capabilities(), "serverInfo": server })
        }
        ("ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe", Era::Legacy) => json!({}),
        ("tools/list", _) => cacheable(json!({ "tools": tools() }), era),
        ("resources/list", _) => cacheable(json!({ "resources": resources() }), era),
        ("resources/templates/list", _) => cacheable(
            json!({ "resourceTemplates": [{ "uriTemplate": "file:///allowed/{name}", "name": "allowed" }] }),
            era,
        ),
        ("prompts/list", _) => {
            cacheable(json!({ "prompts": [{ "name": "greet", "arguments": [{ "name": "who" }] }] }), era)
        }
        ("prompts/get", _) => {
            done(json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": "hello" } }] }))
        }
        ("resources/read", _) => cacheable(json!({ "contents": [{ "uri": params["uri"], "text": "contents" }] }), era),
        ("completion/complete", _) => {
            done(json!({ "completion": { "values": ["one"], "total": 1, "hasMore": false } }))
        }
        ("tools/call", _) => {
            let text = params.get("arguments").map(Value::to_string).unwrap_or_default();
            done(json!({ "content": [{ "type": "text", "text": text }], "isError": false }))
        }
        _ => return None,
    })
}
