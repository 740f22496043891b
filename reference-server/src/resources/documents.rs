//! Documents as resources: `doc://` and the path.
//!
//! Invariant: only the one spelling of a URI that [`DocumentPath::uri`] gives is served.

use rmcp::ErrorData;
use rmcp::model::{CompletionInfo, Resource, ResourceContents, ResourceTemplate};

use super::changed_at;
use crate::icons::Sign;
use crate::state::Shared;
pub use crate::storage::path::DOCUMENT_TEMPLATE;
use crate::storage::{DocumentPath, Filter, StoreError, Summary};

/// Documents of one page of the list of resources.
const PAGE: u32 = 100;

impl From<StoreError> for ErrorData {
    fn from(error: StoreError) -> Self {
        Self::internal_error(error.to_string(), None)
    }
}

/// The template.
#[must_use]
pub fn template() -> ResourceTemplate {
    ResourceTemplate::new(DOCUMENT_TEMPLATE, "document")
        .with_description("A stored document, by its path")
        .with_icons(Sign::Document.icons())
}

/// A document as the list shows it, but for its icon, and as results link to it.
#[must_use]
pub fn resource(summary: &Summary) -> Resource {
    Resource::new(summary.path.uri(), summary.path.as_str())
        .with_title(summary.title.clone())
        .with_mime_type(summary.media_type.clone())
        .with_size(summary.size)
        .with_annotations(changed_at(summary.updated_at))
}

/// A page of documents from behind the path `after` on, and the path to go on from.
///
/// # Errors
/// See [`StoreError`].
pub async fn list(shared: &Shared, after: Option<&str>) -> Result<(Vec<Resource>, Option<String>), StoreError> {
    let page = shared.documents.list(&Filter::default(), after, PAGE).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.path.to_string());
    let listed = page.items.iter().map(|summary| resource(summary).with_icons(Sign::Document.icons()));
    Ok((listed.collect(), next))
}

/// The content of a document; `None` when nothing is at this URI.
///
/// # Errors
/// See [`StoreError`].
pub async fn read(shared: &Shared, uri: &str) -> Result<Option<ResourceContents>, StoreError> {
    let Some(path) = DocumentPath::from_uri(uri) else {
        return Ok(None);
    };
    match shared.documents.read(&path, None).await {
        Ok(document) => {
            Ok(Some(ResourceContents::text(document.body.content, uri).with_mime_type(document.body.media_type)))
        }
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Paths that start with what was typed.
///
/// # Errors
/// See [`StoreError`].
pub async fn complete(shared: &Shared, typed: &str) -> Result<CompletionInfo, StoreError> {
    let limit = u32::try_from(CompletionInfo::MAX_VALUES).unwrap_or(u32::MAX);
    let filter = Filter { prefix: Some(typed.to_owned()), ..Filter::default() };
    let page = shared.documents.list(&filter, None, limit).await?;
    let paths = page.items.into_iter().map(|summary| summary.path.to_string()).collect();
    Ok(CompletionInfo::with_pagination(paths, None, page.more).unwrap_or_default())
}

#[cfg(test)]
mod tests;
