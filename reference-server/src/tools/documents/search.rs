//! `document_search`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DocumentError;
use super::view::About;
use crate::storage::{Filter, SearchText};
use crate::tools::typed::{page_limit, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Searches paths, titles and contents; the best fits come first. All words must be there: word, \
        \"a phrase\", begin*, and -word for what must not be there. Case and accents do not matter.";
    Entry::new(typed_tool::<Search, Found>("document_search", "Search documents", description, reads()), search)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// What to search for
    query: String,
    /// Only paths that start with this, such as notes/
    prefix: Option<String>,
    /// Only documents with every one of these tags
    #[serde(default)]
    tags: Vec<String>,
    /// Only this media type
    media_type: Option<String>,
    /// Most documents to give, 1 to 200; 50 if not given
    limit: Option<u32>,
}

/// What a search found.
#[derive(Serialize, JsonSchema)]
struct Found {
    /// The documents, the best first
    hits: Vec<Fit>,
    /// Whether there are more than the limit allowed
    more: bool,
}

/// A document that fits.
#[derive(Serialize, JsonSchema)]
struct Fit {
    #[serde(flatten)]
    about: About,
    /// Content around the finds, each between **
    snippet: String,
    /// How well it fits, to be compared within this answer only
    score: f64,
}

async fn search(call: Call) -> Outcome {
    let wanted: Search = call.typed_arguments()?;
    let limit = page_limit(wanted.limit)?;
    let text = SearchText::parse(&wanted.query).map_err(DocumentError::Search)?;
    let filter = Filter { prefix: wanted.prefix, tags: wanted.tags, media_type: wanted.media_type };
    let page = call.server.shared.documents.search(&text, &filter, limit).await?;
    let fit =
        |hit: crate::storage::Hit| Fit { about: About::from(&hit.summary), snippet: hit.snippet, score: hit.score };
    structured(&Found { more: page.more, hits: page.items.into_iter().map(fit).collect() })
}
