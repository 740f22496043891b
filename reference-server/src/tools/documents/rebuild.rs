//! `index_rebuild`.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::DocumentError;
use crate::storage::DocumentStore;
use crate::tasks::{Stop, Work};
use crate::tools::typed::{TypedError, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Makes the full-text index anew from the documents. Searches go on with the old one meanwhile, \
        writers wait. Cancelled, it leaves the old index.";
    let repeats = ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false);
    Entry::new(typed_tool::<Rebuild, Rebuilt>("index_rebuild", "Rebuild the index", description, repeats), rebuild)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rebuild {}

/// What was indexed.
#[derive(Serialize, JsonSchema)]
struct Rebuilt {
    /// Documents in the index
    documents: u64,
}

async fn rebuild(call: Call) -> Outcome {
    let Rebuild {} = call.typed_arguments()?;
    // Two at once would only wait for each other, and for all writers.
    let turn = Arc::clone(&call.server.shared.rebuilding).try_lock_owned().map_err(|_| DocumentError::Rebuilding)?;
    let documents = Arc::clone(&call.server.shared.documents);
    call.long(async move |work: Work| {
        let rebuilt = run(&work, documents.as_ref()).await;
        drop(turn);
        rebuilt
    })
    .await
}

async fn run(work: &Work, documents: &dyn DocumentStore) -> Result<CallToolResult, Stop> {
    let (steps, mut step) = watch::channel((0, 0));
    let progress = |done, total| {
        steps.send_replace((done, total));
    };
    let mut rebuilding = documents.rebuild_index(&progress);
    loop {
        tokio::select! {
            biased;
            // Dropping the rebuild undoes it.
            () = work.cancelled() => return Err(Stop::Cancelled),
            rebuilt = &mut rebuilding => return Ok(told(rebuilt.map_err(DocumentError::from))),
            Ok(()) = step.changed() => {
                let (done, total) = *step.borrow_and_update();
                work.report(done, total, "documents").await;
            }
        }
    }
}

fn told(rebuilt: Result<u64, DocumentError>) -> CallToolResult {
    match rebuilt.map(|documents| serde_json::to_value(Rebuilt { documents })) {
        Ok(Ok(result)) => CallToolResult::structured(result),
        Ok(Err(_)) => TypedError::Internal.into_result(),
        Err(error) => error.into_result(),
    }
}
