//! Large content by key, with signed links past the messages: here in memory, by another location in S3, Azure or Google.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example objects -- 127.0.0.1:9000 memory:
//! ```

use std::error::Error;
use std::sync::Arc;

use doorward_reference_server::download::{KEY_BYTES, LIFETIME, Links};
use doorward_reference_server::objects::link::Policy;
use doorward_reference_server::objects::{self, Objects};
use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::Limits;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::Group;
use doorward_reference_server::transport::http::{HttpOptions, Listener};
use doorward_reference_server::transport::until_signal;
use doorward_reference_server::{Offer, ReferenceServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let location = std::env::args().nth(2).unwrap_or_else(|| "memory:".to_owned());
    // Bound first, so that links name the port that was taken.
    let listener = Listener::tcp(address.parse()?).await?;
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key)?;
    let links = Links::new(&listener.origin().unwrap_or_default(), &key, LIFETIME);
    let limits = objects::Limits { object_bytes: 10 << 20, total_bytes: 100 << 20, ..objects::Limits::default() };
    let options = objects::Options { location, endpoint: None, allow_http: false, limits, links: Policy::default() };
    let store = SqliteStore::in_memory(Limits::default()).await?;
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?.without_samples();
    let shared = shared.with_objects(Objects::open(options)?).with_links(links);
    let offer = Offer::of("objects", "1.0.0", Group::Objects.entries(&shared));
    println!("listening on {}", listener.url("/mcp")?);
    let server = ReferenceServer::offering(Arc::new(shared), offer);
    listener.serve(&server, &HttpOptions::default(), until_signal()?).await?;
    Ok(())
}
