//! The full-text search of the storage module, behind a tool of one's own: words, "phrases", beginnings* and -exclusions.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example search -- 127.0.0.1:9000
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::storage::{Body, DocumentPath, DocumentStore, Filter, Limits, SearchText};
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::typed::{reads, structured, typed_tool};
use doorward_reference_server::tools::{Call, Entry, Outcome, ToolError};
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const POEMS: [(&str, &str); 3] = [
    ("tyger", "Tyger Tyger, burning bright, in the forests of the night"),
    ("raven", "Once upon a midnight dreary, while I pondered, weak and weary"),
    ("daffodils", "I wandered lonely as a cloud that floats on high"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Words that must all be there, such as: night* -cloud
    words: String,
}

#[derive(Serialize, JsonSchema)]
struct Found {
    /// The lines, each with its name, the best first
    lines: Vec<(String, String)>,
}

async fn find(call: Call) -> Outcome {
    let Wanted { words } = call.typed_arguments()?;
    let text = SearchText::parse(&words).map_err(|error| ToolError::Refused("bad_words", error.to_string()))?;
    let hits = call.server.shared.documents.search(&text, &Filter::default(), 10).await?.items;
    structured(&Found { lines: hits.into_iter().map(|hit| (hit.summary.title, hit.snippet)).collect() })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = SqliteStore::in_memory(Limits::default()).await?;
    for (title, content) in POEMS {
        let (media_type, metadata) = ("text/plain".to_owned(), serde_json::Map::new());
        let body =
            Body { title: title.to_owned(), media_type, content: content.to_owned(), metadata, tags: BTreeSet::new() };
        store.create(&DocumentPath::parse(&format!("poems/{title}"))?, body).await?;
    }
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?.without_samples();
    let tool = typed_tool::<Wanted, Found>("find", "Find lines", "Finds lines of poems by their words.", reads());
    let offer = Offer::of("poems", "1.0.0", vec![Entry::new(tool, find)]);
    http::serve(&ReferenceServer::offering(Arc::new(shared), offer), address.parse()?).await?;
    Ok(())
}
