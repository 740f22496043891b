//! `document_delete`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::storage::DocumentPath;
use crate::tools::typed::{destroys, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description =
        "Deletes a document with its whole history. With expected_version only if that is the current one.";
    Entry::new(typed_tool::<Delete, Deleted>("document_delete", "Delete a document", description, destroys()), delete)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Delete {
    /// Where the document is
    path: String,
    /// Delete only this version
    expected_version: Option<u32>,
}

/// What was deleted.
#[derive(Serialize, JsonSchema)]
struct Deleted {
    /// Where the document was
    path: String,
    /// Its last version; a new document at this path counts on from there
    last_version: u32,
}

async fn delete(call: Call) -> Outcome {
    let wanted: Delete = call.typed_arguments()?;
    let path = DocumentPath::parse(&wanted.path)?;
    let last_version = call.server.shared.documents.delete(&path, wanted.expected_version).await?;
    call.announce(&path, true);
    structured(&Deleted { path: path.to_string(), last_version })
}
