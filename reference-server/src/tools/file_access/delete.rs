//! `delete_file`.

use rmcp::model::ToolAnnotations;

use super::{Path, path_schema};
use crate::resources::file_uri;
use crate::state::Change;
use crate::tools::{Call, Entry, Outcome, text, tool};

pub(super) fn entry() -> Entry {
    let description =
        "Deletes a file of the built-in virtual tree until the next start. The host's disk is never touched.";
    let destructive = ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(false);
    Entry::new(tool("delete_file", description, path_schema()).with_annotations(destructive), delete)
}

async fn delete(call: Call) -> Outcome {
    let Path { path } = call.arguments()?;
    let file = call.server.shared.files.delete(&path)?;
    call.server.shared.announce(Change::Resource(file_uri(&file.path)));
    call.server.shared.announce(Change::Resources);
    Ok(text(format!("deleted {}", file.path)))
}
