//! A tool of one's own: its schemas are made from its types, its results are structured, its refusals have a code.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example tools -- 127.0.0.1:9000
//! ```

use std::error::Error;
use std::sync::Arc;

use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::Limits;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::typed::{reads, structured, typed_tool};
use doorward_reference_server::tools::{Call, Entry, Outcome, ToolError};
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The input schema. Comments become descriptions for the model.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Temperature {
    /// Degrees Celsius
    celsius: f64,
}

/// The output schema.
#[derive(Serialize, JsonSchema)]
struct Converted {
    /// Degrees Fahrenheit
    fahrenheit: f64,
}

async fn convert(call: Call) -> Outcome {
    let Temperature { celsius } = call.typed_arguments()?;
    if celsius < -273.15 {
        return Err(ToolError::Refused("too_cold", "nothing is colder than -273.15 degrees Celsius".to_owned()));
    }
    structured(&Converted { fahrenheit: celsius * 1.8 + 32.0 })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    // Every server has a store of documents and prompts; this one has nothing in it and forgets it.
    let store = SqliteStore::in_memory(Limits::default()).await?;
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?.without_samples();
    let description = "Converts degrees Celsius to Fahrenheit.";
    let tool = typed_tool::<Temperature, Converted>("convert", "Convert a temperature", description, reads());
    let offer = Offer::of("temperatures", "1.0.0", vec![Entry::new(tool, convert)]);
    http::serve(&ReferenceServer::offering(Arc::new(shared), offer), address.parse()?).await?;
    Ok(())
}
