//! Plain tools for a first look: `echo` and `add`.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Deserialize;
use serde_json::json;

use super::{Call, Entry, Outcome, ToolError, object, text, tool};

pub(super) fn entries() -> Vec<Entry> {
    let echo_schema = json!({
        "type": "object",
        "properties": {"message": {"type": "string", "description": "What to say back"}},
        "required": ["message"],
        "additionalProperties": false
    });
    let add_schema = json!({
        "type": "object",
        "properties": {
            "a": {"type": "integer", "description": "First summand"},
            "b": {"type": "integer", "description": "Second summand"}
        },
        "required": ["a", "b"],
        "additionalProperties": false
    });
    let sum_schema = json!({"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]});
    vec![
        Entry::new(tool("echo", "Says back what it is told.", echo_schema), echo),
        Entry::new(
            tool("add", "Adds two integers of 64 bits.", add_schema)
                .with_raw_output_schema(Arc::new(object(sum_schema))),
            add,
        ),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Echo {
    message: String,
}

async fn echo(call: Call) -> Outcome {
    let Echo { message } = call.arguments()?;
    Ok(text(message))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    a: i64,
    b: i64,
}

async fn add(call: Call) -> Outcome {
    let Add { a, b } = call.arguments()?;
    let sum = a.checked_add(b).ok_or(ToolError::Overflow)?;
    let mut result = CallToolResult::success(vec![ContentBlock::text(sum.to_string())]);
    result.structured_content = Some(json!({"sum": sum}));
    Ok(result.into())
}
