//! Work that takes long: a task where the client knows tasks, else a call with progress; both can be cancelled.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example tasks -- 127.0.0.1:9000
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::Limits;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::tasks::{Stop, TaskLimits, Work};
use doorward_reference_server::tools::typed::{reads, typed_tool};
use doorward_reference_server::tools::{Call, Entry, Outcome};
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// How many pages, 1 to 100
    #[schemars(range(min = 1, max = 100))]
    pages: u64,
}

#[derive(Serialize, JsonSchema)]
struct Printed {
    /// How many pages were printed
    pages: u64,
}

async fn print(call: Call) -> Outcome {
    let Wanted { pages } = call.typed_arguments()?;
    let pages = pages.clamp(1, 100);
    call.long(async move |work: Work| {
        for page in 1..=pages {
            tokio::select! {
                () = work.cancelled() => return Err(Stop::Cancelled),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            work.report(page, pages, "pages").await;
        }
        Ok(CallToolResult::structured(json!({ "pages": pages })))
    })
    .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = SqliteStore::in_memory(Limits::default()).await?;
    // A client has at most two at a time, and five minutes to fetch a result.
    let limits = TaskLimits { per_owner: 2, ttl: Duration::from_secs(300), ..TaskLimits::default() };
    let shared = Shared::new(Arc::new(store), limits)?.without_samples();
    let tool = typed_tool::<Wanted, Printed>("print", "Print pages", "Prints pages, which takes a while.", reads());
    let offer = Offer::of("printer", "1.0.0", vec![Entry::new(tool, print)]);
    http::serve(&ReferenceServer::offering(Arc::new(shared), offer), address.parse()?).await?;
    Ok(())
}
