//! Structured records as resources: `record://`, the collection, a slash and the id. They are read and subscribed to, and
//! not in the list of resources: that is what queries are for.

use rmcp::ErrorData;
use rmcp::model::{CompletionInfo, ResourceContents, ResourceTemplate};
use serde_json::Value;

use crate::icons::Sign;
use crate::state::Shared;
use crate::storage::Page;
use crate::storage::record::{CollectionName, RecordError, RecordName};

/// Template of the records' URIs.
pub const RECORD_TEMPLATE: &str = "record://{collection}/{id}";

const MEDIA_TYPE: &str = "application/json";

impl From<RecordError> for ErrorData {
    fn from(error: RecordError) -> Self {
        Self::internal_error(error.to_string(), None)
    }
}

/// The template.
#[must_use]
pub fn template() -> ResourceTemplate {
    ResourceTemplate::new(RECORD_TEMPLATE, "record")
        .with_description("The body of a structured record, by its collection and id")
        .with_mime_type(MEDIA_TYPE)
        .with_icons(Sign::Record.icons())
}

/// The body of a record as JSON; `None` when none is at this URI.
///
/// # Errors
/// When the store fails.
pub async fn read(shared: &Shared, uri: &str) -> Result<Option<ResourceContents>, RecordError> {
    let Some(name) = RecordName::from_uri(uri) else { return Ok(None) };
    match shared.records.record(&name).await {
        Ok(record) => {
            let text = Value::Object(record.body).to_string();
            Ok(Some(ResourceContents::text(text, uri).with_mime_type(MEDIA_TYPE)))
        }
        Err(RecordError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names of collections that start with what was typed.
///
/// # Errors
/// When the store fails.
pub async fn complete_collection(shared: &Shared, typed: &str) -> Result<CompletionInfo, RecordError> {
    let page = shared.records.collections(typed, None, limit()).await?;
    let names = page.items.into_iter().map(|collection| collection.name.to_string()).collect();
    Ok(completed(Page { items: names, more: page.more }))
}

/// Ids that start with what was typed, in the collection that was chosen before; none where none was.
///
/// # Errors
/// When the store fails.
pub async fn complete_id(
    shared: &Shared,
    collection: Option<&str>,
    typed: &str,
) -> Result<CompletionInfo, RecordError> {
    let Some(Ok(collection)) = collection.map(CollectionName::parse) else { return Ok(CompletionInfo::default()) };
    Ok(completed(shared.records.record_ids(&collection, typed, limit()).await?))
}

fn limit() -> u32 {
    u32::try_from(CompletionInfo::MAX_VALUES).unwrap_or(u32::MAX)
}

fn completed(page: Page<String>) -> CompletionInfo {
    CompletionInfo::with_pagination(page.items, None, page.more).unwrap_or_default()
}

#[cfg(test)]
mod tests;
