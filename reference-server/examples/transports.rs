//! Every way to reach a server: standard streams, Streamable HTTP of both eras (with batches in sessions of 2025-03-26), and
//! HTTP+SSE of 2024-11-05 beside it.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example transports -- 127.0.0.1:9000   # /mcp, and /sse
//! cargo run -q -p doorward-reference-server --example transports -- --stdio
//! ```

use std::error::Error;
use std::sync::Arc;

use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::Limits;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::Group;
use doorward_reference_server::transport::http::{HttpOptions, Listener};
use doorward_reference_server::transport::{stdio, until_signal};
use doorward_reference_server::{Offer, ReferenceServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = SqliteStore::in_memory(Limits::default()).await?;
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?;
    let offer = Offer::of("transports", "1.0.0", Group::FirstLook.entries(&shared));
    let (server, stop) = (ReferenceServer::offering(Arc::new(shared), offer), until_signal()?);
    if address == "--stdio" {
        return Ok(stdio::serve(server, stop).await?);
    }
    let listener = Listener::tcp(address.parse()?).await?;
    let options = HttpOptions { legacy_sse: true, ..HttpOptions::default() };
    println!("listening on {}", listener.url(&options.path)?);
    listener.serve(&server, &options, stop).await?;
    Ok(())
}
