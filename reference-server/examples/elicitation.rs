//! A tool that asks the user before it acts: by a request of the server's in the legacy era, by `input_required` from
//! 2026-07-28. The tool is the same for both.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example elicitation -- 127.0.0.1:9000
//! ```

use std::error::Error;
use std::sync::Arc;

use doorward_reference_server::ask::{Answer, Asked, Question};
use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::Limits;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::typed::{structured, typed_tool, writes};
use doorward_reference_server::tools::{Call, Entry, Outcome, ToolError};
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};
use rmcp::model::ElicitationAction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    /// What to order
    meal: String,
}

#[derive(Serialize, JsonSchema)]
struct Ordered {
    /// What comes
    meal: String,
    /// For how many
    guests: String,
}

async fn order(call: Call) -> Outcome {
    let Order { meal } = call.typed_arguments()?;
    let guests = json!({ "type": "integer", "title": "Guests", "minimum": 1, "maximum": 12 });
    let schema = json!({ "type": "object", "properties": { "guests": guests }, "required": ["guests"] });
    let question = Question::form(&format!("Order {meal}? For how many?"), schema)?;
    let answers = match call.ask([("order", question)]).await? {
        // A client of 2026-07-28 calls again, with the answers.
        Asked::Needed(needed) => return Ok(needed.into()),
        Asked::Answered(answers) => answers,
    };
    match answers.get("order") {
        Some(answer @ Answer::Form(form)) if form.action == ElicitationAction::Accept => {
            structured(&Ordered { meal, guests: answer.field("guests") })
        }
        _ => Err(ToolError::Refused("declined", "the user does not want it; nothing was ordered".to_owned())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = SqliteStore::in_memory(Limits::default()).await?;
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?.without_samples();
    let description = "Orders a meal, once the user agrees and says for how many.";
    let tool = typed_tool::<Order, Ordered>("order", "Order a meal", description, writes());
    let offer = Offer::of("kitchen", "1.0.0", vec![Entry::new(tool, order)]);
    http::serve(&ReferenceServer::offering(Arc::new(shared), offer), address.parse()?).await?;
    Ok(())
}
