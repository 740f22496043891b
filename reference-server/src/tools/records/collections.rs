//! `record_collections`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cursor;
use crate::storage::record::{Collection, CollectionName};
use crate::tools::typed::{TypedError, page_limit, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Lists the collections that have records, in the order of their names, with how many they have.";
    let tool = typed_tool::<List, Listed>("record_collections", "List collections", description, reads());
    Entry::new(tool, list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Only names that start with this
    #[serde(default)]
    prefix: String,
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Most collections of a page, 1 to 200; 50 if not given
    limit: Option<u32>,
}

/// A page of collections.
#[derive(Serialize, JsonSchema)]
struct Listed {
    /// The collections
    collections: Vec<Counted>,
    /// Cursor of the next page; absent on the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A collection.
#[derive(Serialize, JsonSchema)]
struct Counted {
    /// Its name
    name: String,
    /// How many records it has
    records: u64,
}

async fn list(call: Call) -> Outcome {
    let wanted: List = call.typed_arguments()?;
    let limit = page_limit(wanted.limit)?;
    let behind = |cursor: &str| cursor::place(cursor).and_then(|place| CollectionName::parse(&place).ok());
    let after = wanted.cursor.as_deref().map(|cursor| behind(cursor).ok_or(TypedError::Cursor)).transpose()?;
    let after = after.as_ref().map(CollectionName::as_str);
    let page = call.server.shared.records.collections(&wanted.prefix, after, limit).await?;
    let next_cursor = page.items.last().filter(|_| page.more).map(|last| cursor::of(last.name.as_str()));
    let counted = |each: Collection| Counted { name: each.name.to_string(), records: each.records };
    structured(&Listed { collections: page.items.into_iter().map(counted).collect(), next_cursor })
}
