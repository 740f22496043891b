//! `document_history`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cursor;
use crate::storage::DocumentPath;
use crate::tools::typed::time;
use crate::tools::typed::{TypedError, page_limit, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Lists a document's versions, the newest first, with where it was and what it was called.";
    Entry::new(typed_tool::<Asked, History>("document_history", "History of a document", description, reads()), history)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Where the document is now
    path: String,
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Most versions of a page, 1 to 200; 50 if not given
    limit: Option<u32>,
}

/// A page of versions.
#[derive(Serialize, JsonSchema)]
struct History {
    /// The versions, the newest first
    versions: Vec<Version>,
    /// Cursor of the next page; absent on the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One version.
#[derive(Serialize, JsonSchema)]
struct Version {
    /// Its number
    version: u32,
    /// Where the document was
    path: String,
    /// Its title then
    title: String,
    /// Bytes of its content then
    size: u64,
    /// When it was written, RFC 3339
    updated_at: String,
}

async fn history(call: Call) -> Outcome {
    let wanted: Asked = call.typed_arguments()?;
    let path = DocumentPath::parse(&wanted.path)?;
    let limit = page_limit(wanted.limit)?;
    let before = |cursor: &str| cursor::version(cursor).ok_or(TypedError::Cursor);
    let before = wanted.cursor.as_deref().map(before).transpose()?;
    let page = call.server.shared.documents.history(&path, before, limit).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| cursor::of(&last.version.to_string()));
    let version = |revision: &crate::storage::Revision| Version {
        version: revision.version,
        path: revision.path.to_string(),
        title: revision.title.clone(),
        size: revision.size,
        updated_at: time(revision.updated_at),
    };
    structured(&History { versions: page.items.iter().map(version).collect(), next_cursor: next })
}
