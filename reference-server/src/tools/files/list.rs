//! `file_list`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::view::{About, Listed};
use crate::cursor;
use crate::directory::{FilePath, Listing};
use crate::tools::typed::{TypedError, page_limit, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Lists files and folders of the served directory in the order of their paths.";
    Entry::new(typed_tool::<List, Listed>("file_list", "List files", description, reads()), list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// The folder; the served directory itself if not given
    folder: Option<String>,
    /// Also what is in the folders within it
    #[serde(default)]
    recursive: bool,
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Most entries of a page, 1 to 200; 50 if not given
    limit: Option<u32>,
}

async fn list(call: Call) -> Outcome {
    let wanted: List = call.typed_arguments()?;
    let folder = wanted.folder.as_deref().map(FilePath::parse).transpose()?;
    page(&call, Listing::folder(folder, wanted.recursive), wanted.cursor.as_deref(), wanted.limit).await
}

/// A page of any listing.
pub(super) async fn page(call: &Call, listing: Listing, cursor: Option<&str>, limit: Option<u32>) -> Outcome {
    let limit = page_limit(limit)?;
    let behind = |cursor: &str| cursor::place(cursor).ok_or(TypedError::Cursor);
    let after = cursor.map(behind).transpose()?;
    let page = call.directory()?.list(listing, after, limit).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| cursor::of(last.path.as_str()));
    structured(&Listed { entries: page.items.iter().map(About::from).collect(), next_cursor: next })
}
