//! `record_delete`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::named;
use crate::tools::typed::{destroys, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Deletes a record for good. With expected_version only if that is the current one.";
    Entry::new(typed_tool::<Delete, Deleted>("record_delete", "Delete a record", description, destroys()), delete)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Delete {
    /// The collection
    collection: String,
    /// The id in the collection
    id: String,
    /// Delete only this version
    expected_version: Option<u32>,
}

/// What was deleted.
#[derive(Serialize, JsonSchema)]
struct Deleted {
    /// The collection
    collection: String,
    /// The id in the collection
    id: String,
    /// Its last version; a new record of this id counts on from there
    last_version: u32,
}

async fn delete(call: Call) -> Outcome {
    let wanted: Delete = call.typed_arguments()?;
    let name = named(&wanted.collection, &wanted.id)?;
    let last_version = call.server.shared.records.delete_record(&name, wanted.expected_version).await?;
    call.announce_record(&name);
    structured(&Deleted { collection: wanted.collection, id: wanted.id, last_version })
}
