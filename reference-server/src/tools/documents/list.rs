//! `document_list`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::About;
use crate::cursor;
use crate::storage::{DocumentPath, Filter};
use crate::tools::typed::{TypedError, page_limit, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Lists documents in the order of their paths, without their contents.";
    Entry::new(typed_tool::<List, Listed>("document_list", "List documents", description, reads()), list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Only paths that start with this, such as notes/
    prefix: Option<String>,
    /// Only documents with every one of these tags
    #[serde(default)]
    tags: Vec<String>,
    /// Only this media type
    media_type: Option<String>,
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Most documents of a page, 1 to 200; 50 if not given
    limit: Option<u32>,
}

/// A page of documents.
#[derive(Serialize, JsonSchema)]
struct Listed {
    /// The documents
    documents: Vec<About>,
    /// Cursor of the next page; absent on the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn list(call: Call) -> Outcome {
    let wanted: List = call.typed_arguments()?;
    let limit = page_limit(wanted.limit)?;
    let behind = |cursor: &str| cursor::path(cursor).ok_or(TypedError::Cursor);
    let after = wanted.cursor.as_deref().map(behind).transpose()?;
    let filter = Filter { prefix: wanted.prefix, tags: wanted.tags, media_type: wanted.media_type };
    let after = after.as_ref().map(DocumentPath::as_str);
    let page = call.server.shared.documents.list(&filter, after, limit).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| cursor::of(last.path.as_str()));
    structured(&Listed { documents: page.items.iter().map(About::from).collect(), next_cursor: next })
}
