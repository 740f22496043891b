//! The tools of the document store: what they share, and the list of them.
//!
//! In: typed arguments, whose schemas are made from the types. Out: structured results with a schema of their own.
//! Refusals: [`DocumentError`], as a result with `isError` whose text is a JSON object with a stable `code`; there is no
//! structured content then, since that would have to fit the output schema.
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

use std::sync::Arc;

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, Resource, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Call, Entry, ToolError, object};
use crate::icons;
use crate::resources::documents::resource;
use crate::state::Change;
use crate::storage::path::PathError;
use crate::storage::query::SearchError;
use crate::storage::{Document, DocumentPath, StoreError, Summary};

/// Items of a page where the caller does not say.
const PAGE: u32 = 50;

/// Most items of a page.
const PAGE_MAX: u32 = 200;

/// Why a document tool failed.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The arguments do not fit the tool's input schema.
    #[error("invalid arguments: {0}")]
    Arguments(#[source] serde_json::Error),
    /// An update without anything to change.
    #[error("an update names at least one of title, media_type, content, metadata and tags")]
    NothingToChange,
    /// A purge of everything.
    #[error("prefix must not be empty")]
    EmptyPrefix,
    /// More or fewer items than a page may have.
    #[error("limit must be from 1 to {PAGE_MAX}")]
    Limit,
    /// Not a cursor of this tool.
    #[error("this is no cursor that the tool gave out")]
    Cursor,
    /// Not a path of a document.
    #[error("invalid path: {0}")]
    Path(#[from] PathError),
    /// Not a search.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else rebuilds the index.
    #[error("the index is being rebuilt already")]
    Rebuilding,
    /// The server failed.
    #[error("the call failed inside the server")]
    Internal,
}

impl DocumentError {
    /// The stable code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Arguments(_) | Self::NothingToChange | Self::EmptyPrefix | Self::Limit => "invalid_arguments",
            Self::Cursor => "invalid_cursor",
            Self::Path(_) => "invalid_path",
            Self::Search(_) => "invalid_search",
            Self::Rebuilding => "rebuild_running",
            Self::Internal => "internal",
            Self::Store(error) => match error {
                StoreError::NotFound(_) => "document_not_found",
                StoreError::NoVersion { .. } => "version_not_found",
                StoreError::Exists(_) => "document_exists",
                StoreError::Conflict { .. } => "version_conflict",
                StoreError::Invalid(_) => "invalid_document",
                StoreError::Full => "store_full",
                StoreError::Unavailable(_) => "store_unavailable",
                StoreError::Corrupt(_) => "store_corrupt",
            },
        }
    }

    /// What the caller sees.
    pub(super) fn into_result(self) -> CallToolResult {
        let mut told = json!({"code": self.code(), "message": self.to_string()});
        if let (Self::Store(StoreError::Conflict { current, .. }), Some(told)) = (&self, told.as_object_mut()) {
            told.insert("current_version".to_owned(), json!(current));
        }
        CallToolResult::error(vec![ContentBlock::text(told.to_string())])
    }
}

impl From<StoreError> for ToolError {
    fn from(error: StoreError) -> Self {
        DocumentError::Store(error).into()
    }
}

impl From<PathError> for ToolError {
    fn from(error: PathError) -> Self {
        DocumentError::Path(error).into()
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

/// A tool with arguments `I` and results `O`.
fn document_tool<I: JsonSchema, O: JsonSchema>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    annotations: ToolAnnotations,
) -> Tool {
    Tool::new(name, description, object(schema::<I>()))
        .with_title(title)
        .with_icons(icons::document())
        .with_raw_output_schema(Arc::new(object(schema::<O>())))
        .with_annotations(annotations)
}

fn reads() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false)
}

/// Writes that take nothing away: what was there stays in the history.
fn adds() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false)
}

fn schema<T: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    without_rust_formats(&mut schema);
    schema
}

/// Takes away formats such as `uint32`, which are no formats of JSON Schema and make validators complain.
fn without_rust_formats(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let rust = |format: &Value| {
                format
                    .as_str()
                    .is_some_and(|format| format.starts_with("uint") || format.starts_with("int") || format == "double")
            };
            if members.get("format").is_some_and(rust) {
                members.remove("format");
            }
            members.values_mut().for_each(without_rust_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rust_formats),
        _ => {}
    }
}

impl Call {
    /// The arguments of a document tool.
    fn document_arguments<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        let arguments = Value::Object(self.params.arguments.clone().unwrap_or_default());
        Ok(serde_json::from_value(arguments).map_err(DocumentError::Arguments)?)
    }

    /// Tells subscribers that the document at `path` differs; `list` when the list of resources does, too.
    fn announce(&self, path: &DocumentPath, list: bool) {
        if list {
            self.server.shared.announce(Change::Resources);
        }
        self.server.shared.announce(Change::Resource(path.uri()));
    }
}

/// A structured result.
fn structured<T: Serialize>(result: &T) -> Result<CallToolResponse, ToolError> {
    Ok(CallToolResult::structured(value(result)?).into())
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

fn value<T: Serialize>(result: &T) -> Result<Value, ToolError> {
    Ok(serde_json::to_value(result).map_err(|_| DocumentError::Internal)?)
}

fn page_limit(limit: Option<u32>) -> Result<u32, ToolError> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        _ => Err(DocumentError::Limit.into()),
    }
}

#[cfg(test)]
mod tests;
