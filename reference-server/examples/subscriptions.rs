//! A resource that changes, and is told to whoever subscribed: `doc://clock`, written anew every second.
//!
//! Legacy clients subscribe with `resources/subscribe`, those of 2026-07-28 with `subscriptions/listen`.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example subscriptions -- 127.0.0.1:9000
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use doorward_reference_server::state::{Change, Shared};
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::storage::{Body, Changes, DocumentPath, Limits, StoreError};
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};

/// Writes the clock, and tells subscribers that it differs.
async fn tick(shared: Arc<Shared>, clock: DocumentPath, mut version: u32) -> Result<(), StoreError> {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let changes = Changes { content: Some(format!("tick {version}")), ..Changes::default() };
        version = shared.documents.update(&clock, version, changes).await?.version;
        shared.announce(Change::Resource(clock.uri()));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = SqliteStore::in_memory(Limits::default()).await?;
    let shared = Arc::new(Shared::new(Arc::new(store), TaskLimits::default())?.without_samples());
    let clock = DocumentPath::parse("clock")?;
    let (media_type, metadata, tags) = ("text/plain".to_owned(), serde_json::Map::new(), BTreeSet::new());
    let body = Body { title: "Clock".to_owned(), media_type, content: "tick 0".to_owned(), metadata, tags };
    let version = shared.documents.create(&clock, body).await?.version;
    tokio::spawn(tick(Arc::clone(&shared), clock, version));
    http::serve(&ReferenceServer::offering(shared, Offer::of("clock", "1.0.0", vec![])), address.parse()?).await?;
    Ok(())
}
