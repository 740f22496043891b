//! `object_list`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::view::{Entry as Listed, Page};
use crate::cursor;
use crate::objects::ObjectKey;
use crate::tools::typed::{TypedError, page_limit, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Lists the objects whose keys start with a prefix, page by page.";
    Entry::new(typed_tool::<List, Page>("object_list", "List objects", description, reads()), list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// What the keys start with, for example reports/2026/; any if not given
    #[serde(default)]
    prefix: String,
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Most objects of a page, 1 to 200; 50 if not given
    limit: Option<u32>,
}

async fn list(call: Call) -> Outcome {
    let wanted: List = call.typed_arguments()?;
    let limit = page_limit(wanted.limit)?;
    if let Some((folder, _)) = wanted.prefix.rsplit_once('/') {
        ObjectKey::parse(folder)?;
    }
    let behind = |cursor: &String| {
        let place = cursor::place(cursor).ok_or(TypedError::Cursor)?;
        ObjectKey::parse(&place).map_err(|_| TypedError::Cursor)
    };
    let after = wanted.cursor.as_ref().map(behind).transpose()?;
    let listed = call.objects()?.list(&wanted.prefix, after.as_ref().map(ObjectKey::as_str), limit).await?;
    let objects = listed.page.items.iter().map(Listed::from).collect();
    structured(&Page { objects, next_cursor: listed.next.as_deref().map(cursor::of) })
}
