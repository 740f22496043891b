//! A store of documents in a SQLite file, with its tools, resources and search, and nothing else.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example documents -- 127.0.0.1:9000 documents.db
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::storage::{DocumentStore as _, Limits};
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::Group;
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let file = std::env::args().nth(2).unwrap_or_else(|| "documents.db".to_owned());
    // The file is made, and brought to the current schema, where that is needed.
    let store = Arc::new(SqliteStore::open(Path::new(&file), Limits { content_bytes: 64 << 10 }).await?);
    let shared = Shared::new(store.clone(), TaskLimits::default())?.without_samples();
    let offer = Offer::of("documents", "1.0.0", Group::Documents.entries(&shared))
        .with_instructions("The team's documents. Search before you create one.");
    let served = http::serve(&ReferenceServer::offering(Arc::new(shared), offer), address.parse()?).await;
    // A clean end leaves one file.
    store.close().await;
    Ok(served?)
}
