//! The whole reference server as a part of an application of one's own, which has other routes beside it.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example embedded -- 127.0.0.1:9000   # /mcp, and /hello
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::routing::get;
use doorward_reference_server::ReferenceServer;
use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::storage::{DocumentStore, Filter, Limits};
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::transport::http::{HttpOptions, app};
use doorward_reference_server::transport::until_signal;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = Arc::new(SqliteStore::in_memory(Limits::default()).await?);
    let shared = Arc::new(Shared::new(store.clone(), TaskLimits::default())?);
    let stop = until_signal()?;
    // What the application knows and the server's tools change is one thing: both hold the store.
    let hello = get(move || async move {
        let listed = store.list(&Filter::default(), None, 100).await;
        listed.map(|page| format!("{} documents\n", page.items.len())).map_err(|error| error.to_string())
    });
    // `/mcp`, and `/live`, `/ready` and the links beside it. Streams end with the application.
    let mcp = app(&ReferenceServer::new(shared), &HttpOptions::default(), stop.child_token());
    let application = mcp.route("/hello", hello);
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, application).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}
