//! `record_create`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::named;
use super::view::Stored;
use crate::storage::record::{CollectionName, RecordName};
use crate::tools::typed::{TypedError, adds, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Stores a new record, a JSON object, in a collection; the collection need not be there before. \
        Refused with record_exists when there is one of this id.";
    Entry::new(typed_tool::<Create, Stored>("record_create", "Create a record", description, adds()), create)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// The collection: 1 to 128 letters and digits of ASCII, '_', '.' and '-'
    collection: String,
    /// The id, written likewise; the server makes one if not given
    id: Option<String>,
    /// The record: up to 64 KiB of JSON, 1,000 members and items, 16 levels
    body: Map<String, Value>,
}

async fn create(call: Call) -> Outcome {
    let wanted: Create = call.typed_arguments()?;
    let name = match &wanted.id {
        Some(id) => named(&wanted.collection, id)?,
        None => RecordName::new(CollectionName::parse(&wanted.collection)?).map_err(|_| TypedError::Internal)?,
    };
    let record = call.server.shared.records.create_record(&name, wanted.body).await?;
    call.announce_record(&name);
    structured(&Stored::from(record))
}
