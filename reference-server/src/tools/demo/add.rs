//! `add`, which has structured output.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Deserialize;
use serde_json::json;

use crate::tools::{Call, Entry, Outcome, ToolError, object, tool};

pub(super) fn entry() -> Entry {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": {"type": "integer", "description": "First summand"},
            "b": {"type": "integer", "description": "Second summand"}
        },
        "required": ["a", "b"],
        "additionalProperties": false
    });
    let output = json!({"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]});
    let tool = tool("add", "Adds two integers of 64 bits.", schema).with_raw_output_schema(Arc::new(object(output)));
    Entry::new(tool, add)
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
