//! `read_file` and `delete_file` on the virtual tree of [`crate::files`]: something for a policy to bite on.

use rmcp::model::ToolAnnotations;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Entry, Outcome, text, tool};
use crate::resources::file_uri;
use crate::state::Change;

pub(super) fn entries() -> Vec<Entry> {
    let read =
        "Reads a file of the built-in virtual tree (in memory, not the host's disk), for example /data/welcome.txt.";
    let delete = "Deletes a file of the built-in virtual tree until the next start. The host's disk is never touched.";
    let destructive = ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(false);
    vec![
        Entry::new(tool("read_file", read, path_schema()), read_file),
        Entry::new(tool("delete_file", delete, path_schema()).with_annotations(destructive), delete_file),
    ]
}

fn path_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"path": {"type": "string", "description": "Absolute path, for example /data/report.csv"}},
        "required": ["path"],
        "additionalProperties": false
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Path {
    path: String,
}

async fn read_file(call: Call) -> Outcome {
    let Path { path } = call.arguments()?;
    Ok(text(call.server.shared.files.read(&path)?.text))
}

async fn delete_file(call: Call) -> Outcome {
    let Path { path } = call.arguments()?;
    let file = call.server.shared.files.delete(&path)?;
    call.server.shared.announce(Change::Resource(file_uri(&file.path)));
    call.server.shared.announce(Change::Resources);
    Ok(text(format!("deleted {}", file.path)))
}
