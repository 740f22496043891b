//! `document_update`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::view::Stored;
use super::{DocumentError, linked};
use crate::storage::{Changes, DocumentPath};
use crate::tools::typed::{adds, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Changes a document; what is not given stays, and the version before is kept. expected_version \
        must be the current version, else the call is refused with version_conflict, which tells the current one.";
    Entry::new(typed_tool::<Update, Stored>("document_update", "Change a document", description, adds()), update)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    /// Where the document is
    path: String,
    /// The version that the change was made from
    expected_version: u32,
    /// New text in the place of the old
    content: Option<String>,
    /// New title
    title: Option<String>,
    /// New media type
    media_type: Option<String>,
    /// New metadata in the place of all the old
    metadata: Option<Map<String, Value>>,
    /// New tags in the place of all the old
    tags: Option<BTreeSet<String>>,
}

async fn update(call: Call) -> Outcome {
    let wanted: Update = call.typed_arguments()?;
    let path = DocumentPath::parse(&wanted.path)?;
    let changes = Changes {
        title: wanted.title,
        media_type: wanted.media_type,
        content: wanted.content,
        metadata: wanted.metadata,
        tags: wanted.tags,
    };
    if changes == Changes::default() {
        return Err(DocumentError::NothingToChange.into());
    }
    let listed = changes.listed();
    let document = call.server.shared.documents.update(&path, wanted.expected_version, changes).await?;
    call.announce(&path, listed);
    linked(&Stored::from(&document), &document)
}
