//! `document_read`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::Stored;
use crate::storage::DocumentPath;
use crate::tools::typed::{reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Reads a document: the current version, or an earlier one of the same document.";
    Entry::new(typed_tool::<Read, Content>("document_read", "Read a document", description, reads()), read)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// Where the document is now
    path: String,
    /// An earlier version; the current one if not given
    version: Option<u32>,
}

/// A document with its content.
#[derive(Serialize, JsonSchema)]
struct Content {
    #[serde(flatten)]
    stored: Stored,
    /// The text
    content: String,
}

async fn read(call: Call) -> Outcome {
    let wanted: Read = call.typed_arguments()?;
    let path = DocumentPath::parse(&wanted.path)?;
    let document = call.server.shared.documents.read(&path, wanted.version).await?;
    structured(&Content { stored: Stored::from(&document), content: document.body.content })
}
