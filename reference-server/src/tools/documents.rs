//! The tools of the document store: what they share, and the list of them.
//!
//! In: typed arguments. Out: structured results. Refusals: [`DocumentError`], with a stable code; see [`super::typed`].
//! To add a tool: a file with its argument type, its `entry` and its function, and a line in [`entries`].

mod create;
mod delete;
mod diff;
mod history;
mod list;
mod purge;
mod read;
mod rebuild;
mod relocate;
mod search;
mod update;
mod view;

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, Resource};
use serde::Serialize;
use serde_json::json;

use super::typed::{refusal, value};
use super::{Call, Entry, ToolError};
use crate::resources::documents::resource;
use crate::state::Change;
use crate::storage::query::SearchError;
use crate::storage::{Document, DocumentPath, StoreError, Summary};

/// Why a document tool failed.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// An update without anything to change.
    #[error("an update names at least one of title, media_type, content, metadata and tags")]
    NothingToChange,
    /// A purge of everything.
    #[error("prefix must not be empty")]
    EmptyPrefix,
    /// Not a search.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else rebuilds the index.
    #[error("the index is being rebuilt already")]
    Rebuilding,
}

impl DocumentError {
    /// The stable code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingToChange | Self::EmptyPrefix => "invalid_arguments",
            Self::Search(_) => "invalid_search",
            Self::Rebuilding => "rebuild_running",
            Self::Store(error) => store_code(error),
        }
    }

    /// What the caller sees.
    pub(super) fn into_result(self) -> CallToolResult {
        let more = match &self {
            Self::Store(StoreError::Conflict { current, .. }) => Some(("current_version", json!(current))),
            _ => None,
        };
        refusal(self.code(), &self.to_string(), more)
    }
}

/// The stable code of what the store refused.
pub(super) fn store_code(error: &StoreError) -> &'static str {
    match error {
        StoreError::NotFound(_) => "document_not_found",
        StoreError::NoVersion { .. } => "version_not_found",
        StoreError::Exists(_) => "document_exists",
        StoreError::Conflict { .. } => "version_conflict",
        StoreError::Invalid(_) => "invalid_document",
        StoreError::Full => "store_full",
        StoreError::Unavailable(_) => "store_unavailable",
        StoreError::Corrupt(_) => "store_corrupt",
    }
}

impl From<StoreError> for ToolError {
    fn from(error: StoreError) -> Self {
        DocumentError::Store(error).into()
    }
}

/// Every tool of the store.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        create::entry(),
        read::entry(),
        update::entry(),
        delete::entry(),
        relocate::entry(),
        list::entry(),
        search::entry(),
        history::entry(),
        diff::entry(),
        purge::entry(),
        rebuild::entry(),
    ]
}

impl Call {
    /// Tells subscribers that the document at `path` differs; `list` when the list of resources does, too.
    fn announce(&self, path: &DocumentPath, list: bool) {
        if list {
            self.server.shared.announce(Change::Resources);
        }
        self.server.shared.announce(Change::Resource(path.uri()));
    }
}

/// A structured result about a document, with a link to it as a resource.
fn linked<T: Serialize>(result: &T, document: &Document) -> Result<CallToolResponse, ToolError> {
    let mut result = CallToolResult::structured(value(result)?);
    let summary = Summary {
        path: document.path.clone(),
        version: document.version,
        title: document.body.title.clone(),
        media_type: document.body.media_type.clone(),
        size: u64::try_from(document.body.content.len()).unwrap_or(u64::MAX),
        tags: document.body.tags.clone(),
        updated_at: document.updated_at,
    };
    let link: Resource = resource(&summary);
    result.content.push(ContentBlock::resource_link(link));
    Ok(result.into())
}

#[cfg(test)]
mod tests;
