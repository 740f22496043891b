//! `file_delete`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::view::About;
use crate::directory::FilePath;
use crate::tools::typed::{destroys, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Deletes a file of the served directory. With expected_revision only if that is the current one.";
    Entry::new(typed_tool::<Delete, About>("file_delete", "Delete a file", description, destroys()), delete)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Delete {
    /// Path from the served directory on
    path: String,
    /// Delete only this revision
    expected_revision: Option<String>,
}

async fn delete(call: Call) -> Outcome {
    let wanted: Delete = call.typed_arguments()?;
    let path = FilePath::parse(&wanted.path)?;
    let deleted = call.directory()?.delete(&path, wanted.expected_revision).await?;
    call.announce_file(&path, true);
    structured(&About::from(&deleted))
}
