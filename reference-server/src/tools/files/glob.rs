//! `file_glob`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::list::page;
use super::view::Listed;
use crate::directory::Listing;
use crate::tools::typed::{reads, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Finds files of the served directory whose paths match a pattern: * and ? within a segment, ** \
        across segments, [a-z], {a,b}. For example **/*.md.";
    Entry::new(typed_tool::<Glob, Listed>("file_glob", "Find files", description, reads()), glob)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Glob {
    /// The pattern that the whole path matches
    pattern: String,
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Most files of a page, 1 to 200; 50 if not given
    limit: Option<u32>,
}

async fn glob(call: Call) -> Outcome {
    let wanted: Glob = call.typed_arguments()?;
    page(&call, Listing::glob(&wanted.pattern)?, wanted.cursor.as_deref(), wanted.limit).await
}
