//! The tools of structured records: what they share, and the list of them.
//!
//! In: typed arguments. Out: structured results. Refusals: [`RecordError`], with a stable code; see [`super::typed`].
//! To add a tool: a file with its argument type, its `entry` and its function, and a line in [`entries`].

mod collections;
mod create;
mod delete;
mod query;
mod read;
mod update;
mod view;

use rmcp::model::CallToolResult;
use serde_json::json;

use super::documents::store_code;
use super::typed::refusal;
use super::{Call, Entry, ToolError};
use crate::state::Change;
use crate::storage::record::query::InvalidQuery;
use crate::storage::record::{CollectionName, InvalidRecord, RecordError, RecordName};

/// The stable code of the failure.
pub(super) fn code(error: &RecordError) -> &'static str {
    match error {
        RecordError::NotFound(_) => "record_not_found",
        RecordError::Exists(_) => "record_exists",
        RecordError::Conflict { .. } => "version_conflict",
        RecordError::Invalid(_) => "invalid_record",
        RecordError::Query(_) => "invalid_query",
        RecordError::Groups => "too_many_groups",
        RecordError::Slow => "query_too_slow",
        RecordError::Store(error) => store_code(error),
    }
}

/// What the caller sees.
pub(super) fn refused(error: &RecordError) -> CallToolResult {
    let more = match error {
        RecordError::Conflict { current, .. } => Some(("current_version", json!(current))),
        _ => None,
    };
    refusal(code(error), &error.to_string(), more)
}

impl From<InvalidRecord> for ToolError {
    fn from(error: InvalidRecord) -> Self {
        Self::Record(error.into())
    }
}

impl From<InvalidQuery> for ToolError {
    fn from(error: InvalidQuery) -> Self {
        Self::Record(error.into())
    }
}

/// A record by what the caller calls it.
fn named(collection: &str, id: &str) -> Result<RecordName, InvalidRecord> {
    RecordName::parse(CollectionName::parse(collection)?, id)
}

impl Call {
    /// Tells subscribers that a record differs.
    fn announce_record(&self, name: &RecordName) {
        self.server.shared.announce(Change::Resource(name.uri()));
    }
}

/// Every tool of the store.
pub(super) fn entries() -> Vec<Entry> {
    vec![create::entry(), read::entry(), update::entry(), delete::entry(), query::entry(), collections::entry()]
}

#[cfg(test)]
mod tests;
