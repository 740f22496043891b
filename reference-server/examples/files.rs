//! A directory of this machine: read, written, listed and searched by tools, read and watched as `file:///` resources.
//!
//! Nothing outside it is reached: neither by `..` nor by links. What is too large for a message is had in parts here; the
//! example `objects` has signed links.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example files -- 127.0.0.1:9000 some/directory
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use doorward_reference_server::directory::{Directory, Quota, Watch};
use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::Limits;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::Group;
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let path = std::env::args().nth(2).ok_or("name a directory behind the address")?;
    let quota = Quota { file_bytes: 1 << 20, total_bytes: 100 << 20, files: 1_000 };
    let directory = Directory::open(Path::new(&path), quota)?;
    let watch = Watch::start(&directory)?;
    let store = SqliteStore::in_memory(Limits::default()).await?;
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?.without_samples();
    let shared = Arc::new(shared.with_directory(directory));
    // Subscribers hear of changes, whoever makes them.
    shared.follow_directory(watch);
    let offer = Offer::of("files", "1.0.0", Group::Files.entries(&shared));
    http::serve(&ReferenceServer::offering(shared, offer), address.parse()?).await?;
    Ok(())
}
