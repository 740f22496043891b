//! Records as results show them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::storage::record::Record;
use crate::tools::typed::time;

/// A record.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stored {
    /// The collection
    collection: String,
    /// The id in the collection
    id: String,
    /// URI of the record as a resource
    uri: String,
    /// Version; a change must name the current one
    version: u32,
    /// What the writer gave
    body: Map<String, Value>,
    /// When the record was created, RFC 3339
    created_at: String,
    /// When this version was written, RFC 3339
    updated_at: String,
}

impl From<Record> for Stored {
    fn from(record: Record) -> Self {
        Self {
            collection: record.name.collection().to_string(),
            id: record.name.id().to_owned(),
            uri: record.name.uri(),
            version: record.version,
            body: record.body,
            created_at: time(record.created_at),
            updated_at: time(record.updated_at),
        }
    }
}
