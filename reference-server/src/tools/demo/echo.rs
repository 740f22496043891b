//! `echo`.

use serde::Deserialize;
use serde_json::json;

use crate::tools::{Call, Entry, Outcome, text, tool};

pub(super) fn entry() -> Entry {
    let schema = json!({
        "type": "object",
        "properties": {"message": {"type": "string", "description": "What to say back"}},
        "required": ["message"],
        "additionalProperties": false
    });
    Entry::new(tool("echo", "Says back what it is told.", schema), echo)
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
