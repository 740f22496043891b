//! `record_read`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::named;
use super::view::Stored;
use crate::tools::typed::{reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Reads a record by its collection and id. To find records by what they hold, use record_query.";
    Entry::new(typed_tool::<Read, Stored>("record_read", "Read a record", description, reads()), read)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// The collection
    collection: String,
    /// The id in the collection
    id: String,
}

async fn read(call: Call) -> Outcome {
    let wanted: Read = call.typed_arguments()?;
    let name = named(&wanted.collection, &wanted.id)?;
    structured(&Stored::from(call.server.shared.records.record(&name).await?))
}
