//! `record_update`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::named;
use super::view::Stored;
use crate::storage::record::Change;
use crate::tools::typed::{TypedError, structured, typed_tool, writes};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Changes a record: body takes the place of the old one as a whole, patch changes only its own \
        members (JSON Merge Patch, RFC 7396: null takes a member away, objects are merged, lists are replaced). \
        expected_version must be the current version, else the call is refused with version_conflict, which tells the \
        current one. Earlier versions are not kept.";
    Entry::new(typed_tool::<Update, Stored>("record_update", "Change a record", description, writes()), update)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    /// The collection
    collection: String,
    /// The id in the collection
    id: String,
    /// The version that the change was made from
    expected_version: u32,
    /// The new body; give either this or patch
    body: Option<Map<String, Value>>,
    /// What to change in the old body
    patch: Option<Map<String, Value>>,
}

async fn update(call: Call) -> Outcome {
    let wanted: Update = call.typed_arguments()?;
    let name = named(&wanted.collection, &wanted.id)?;
    let change = match (wanted.body, wanted.patch) {
        (Some(body), None) => Change::Replace(body),
        (None, Some(patch)) => Change::Merge(patch),
        _ => return Err(TypedError::OneChange.into()),
    };
    let record = call.server.shared.records.update_record(&name, wanted.expected_version, change).await?;
    call.announce_record(&name);
    structured(&Stored::from(record))
}
