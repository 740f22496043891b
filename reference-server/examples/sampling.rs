//! A tool that asks the client twice: for its roots, then for its model's opinion of them. From 2026-07-28 these are rounds
//! of one call; what the first one told comes back in a state that the server has signed, so that it keeps nothing.
//!
//! ```sh
//! cargo run -p doorward-reference-server --example sampling -- 127.0.0.1:9000
//! ```

use std::error::Error;
use std::sync::Arc;

use doorward_reference_server::ask::{Answer, Asked, Question};
use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::Limits;
use doorward_reference_server::storage::sqlite::SqliteStore;
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::tools::typed::{reads, structured, typed_tool};
use doorward_reference_server::tools::{Call, Entry, Outcome};
use doorward_reference_server::transport::http;
use doorward_reference_server::{Offer, ReferenceServer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Opinion {
    /// The client's roots
    roots: String,
    /// What its model thinks that the project is
    opinion: String,
}

async fn guess(call: Call) -> Outcome {
    let Nothing {} = call.typed_arguments()?;
    // The second round brings the roots in the state; the first one has none yet.
    let roots: String = match call.state()? {
        Some(roots) => roots,
        None => match call.ask([("roots", Question::Roots)]).await? {
            Asked::Needed(needed) => return Ok(needed.into()),
            Asked::Answered(answers) => answers.get("roots").map(Answer::summary).unwrap_or_default(),
        },
    };
    let question = Question::sampling(&format!("What kind of project is this? {roots}"), 100);
    let answers = match call.ask_with_state([("opinion", question)], &roots).await? {
        Asked::Needed(needed) => return Ok(needed.into()),
        Asked::Answered(answers) => answers,
    };
    structured(&Opinion { roots, opinion: answers.get("opinion").map(Answer::summary).unwrap_or_default() })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let store = SqliteStore::in_memory(Limits::default()).await?;
    let shared = Shared::new(Arc::new(store), TaskLimits::default())?.without_samples();
    let description = "Guesses from the client's roots what the project is.";
    let tool = typed_tool::<Nothing, Opinion>("guess", "Guess the project", description, reads());
    let offer = Offer::of("guesser", "1.0.0", vec![Entry::new(tool, guess)]);
    http::serve(&ReferenceServer::offering(Arc::new(shared), offer), address.parse()?).await?;
    Ok(())
}
