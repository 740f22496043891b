//! `document_move`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::linked;
use super::view::Stored;
use crate::storage::DocumentPath;
use crate::tools::typed::{adds, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Gives a document another path, as a new version; its history goes along. Nothing is overwritten: \
        refused with document_exists when there is a document at the new path.";
    Entry::new(typed_tool::<Move, Stored>("document_move", "Move a document", description, adds()), relocate)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Move {
    /// Where the document is
    path: String,
    /// Where it shall be
    new_path: String,
    /// Move only this version
    expected_version: Option<u32>,
}

async fn relocate(call: Call) -> Outcome {
    let wanted: Move = call.typed_arguments()?;
    let (from, to) = (DocumentPath::parse(&wanted.path)?, DocumentPath::parse(&wanted.new_path)?);
    let document = call.server.shared.documents.relocate(&from, &to, wanted.expected_version).await?;
    call.announce(&from, false);
    call.announce(&to, true);
    linked(&Stored::from(&document), &document)
}
