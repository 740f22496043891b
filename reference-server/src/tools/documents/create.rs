//! `document_create`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::linked;
use super::view::Stored;
use crate::storage::{Body, DocumentPath};
use crate::tools::typed::{adds, typed_tool};
use crate::tools::{Call, Entry, Outcome};

const MEDIA_TYPE: &str = "text/plain";

pub(super) fn entry() -> Entry {
    let description = "Stores a new document under a path such as notes/2026/plan.md. Refused with document_exists when \
        there is one already.";
    Entry::new(typed_tool::<Create, Stored>("document_create", "Create a document", description, adds()), create)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// Where to store it: segments with single slashes between them
    path: String,
    /// The text
    content: String,
    /// Title for people; the path's last segment if not given
    title: Option<String>,
    /// Media type of the content; text/plain if not given
    media_type: Option<String>,
    /// Anything to keep with the document
    metadata: Option<Map<String, Value>>,
    /// Words to find it by
    tags: Option<BTreeSet<String>>,
}

async fn create(call: Call) -> Outcome {
    let wanted: Create = call.typed_arguments()?;
    let path = DocumentPath::parse(&wanted.path)?;
    let body = Body {
        title: wanted.title.unwrap_or_else(|| path.title()),
        media_type: wanted.media_type.unwrap_or_else(|| MEDIA_TYPE.to_owned()),
        content: wanted.content,
        metadata: wanted.metadata.unwrap_or_default(),
        tags: wanted.tags.unwrap_or_default(),
    };
    let document = call.server.shared.documents.create(&path, body).await?;
    call.announce(&path, true);
    linked(&Stored::from(&document), &document)
}
