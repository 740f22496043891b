//! `read_file` and `delete_file` on the virtual tree of [`crate::files`]: something for a policy to bite on.
//!
//! To add one: a file with its `entry` and its function, and a line in [`entries`].

mod delete;
mod read;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Entry;

/// Both.
pub(super) fn entries() -> Vec<Entry> {
    vec![read::entry(), delete::entry()]
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
