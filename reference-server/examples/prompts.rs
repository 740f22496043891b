//! A stored prompt with typed arguments, whose texts are completed while they are typed; tools save more of them.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example prompts -- 127.0.0.1:9000
//! ```

use std::error::Error;
use std::sync::Arc;

use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::prompt::{PromptBody, PromptName};
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::storage::{Limits, PromptStore as _};
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::Group;
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = SqliteStore::in_memory(Limits::default()).await?;
    // The form that `prompt_save` takes.
    let review: PromptBody = serde_json::from_value(json!({
        "title": "Review a change",
        "arguments": [
            { "name": "language", "type": "enum", "values": ["python", "rust", "typescript"], "required": true },
            { "name": "focus", "description": "What to look at first" },
        ],
        "messages": [{ "role": "user", "text": "Review this {{language}} code. First look at: {{focus}}" }],
    }))?;
    store.save_prompt(&PromptName::parse("review")?, None, review).await?;
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?.without_samples();
    let offer = Offer::of("prompts", "1.0.0", Group::Prompts.entries(&shared));
    http::serve(&ReferenceServer::offering(Arc::new(shared), offer), address.parse()?).await?;
    Ok(())
}
