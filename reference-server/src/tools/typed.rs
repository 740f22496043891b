//! Tools whose schemas are made from their types: structured results, and refusals with a stable code.
//!
//! A refusal is a result with `isError` whose text is a JSON object with `code` and `message`; there is no structured
//! content then, since that would have to fit the output schema.

use std::sync::Arc;

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Call, ToolError, object};
use crate::storage::path::PathError;
pub(super) use crate::storage::time;

/// Items of a page where the caller does not say.
const PAGE: u32 = 50;

/// Most items of a page.
const PAGE_MAX: u32 = 200;

/// Why a typed tool could not run or answer.
#[derive(Debug, thiserror::Error)]
pub enum TypedError {
    /// The arguments do not fit the tool's input schema.
    #[error("invalid arguments: {0}")]
    Arguments(#[source] serde_json::Error),
    /// More or fewer items than a page may have.
    #[error("limit must be from 1 to {PAGE_MAX}")]
    Limit,
    /// Not a cursor of this tool.
    #[error("this is no cursor that the tool gave out")]
    Cursor,
    /// Not a path.
    #[error("invalid path: {0}")]
    Path(#[from] PathError),
    /// A link that works too long or not at all.
    #[error("expires_in must be from 1 to {0} seconds")]
    Expiry(u64),
    /// A part of a length that is not given out.
    #[error("length must be from 1 to {0}")]
    Length(usize),
    /// Not Base64.
    #[error("content_base64 is not Base64 with padding")]
    Base64,
    /// Neither or both of two.
    #[error("give either content or content_base64")]
    OneContent,
    /// Two that say opposite things.
    #[error("give either expected_etag or overwrite")]
    OneCondition,
    /// Neither or both of two.
    #[error("give either body or patch")]
    OneChange,
    /// The server failed.
    #[error("the call failed inside the server")]
    Internal,
}

impl TypedError {
    pub(super) fn into_result(self) -> CallToolResult {
        let code = match self {
            Self::Arguments(_)
            | Self::Limit
            | Self::Expiry(_)
            | Self::Length(_)
            | Self::Base64
            | Self::OneContent
            | Self::OneCondition
            | Self::OneChange => "invalid_arguments",
            Self::Cursor => "invalid_cursor",
            Self::Path(_) => "invalid_path",
            Self::Internal => "internal",
        };
        refusal(code, &self.to_string(), None)
    }
}

impl Call {
    /// The arguments of a typed tool.
    ///
    /// # Errors
    /// [`TypedError::Arguments`] where they do not fit its input schema.
    pub fn typed_arguments<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        let arguments = Value::Object(self.params.arguments.clone().unwrap_or_default());
        Ok(serde_json::from_value(arguments).map_err(TypedError::Arguments)?)
    }
}

/// A tool with arguments `I` and results `O`, whose schemas are made from the types. `title` is for people, `description`
/// for models.
#[must_use]
pub fn typed_tool<I: JsonSchema, O: JsonSchema>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    annotations: ToolAnnotations,
) -> Tool {
    Tool::new(name, description, object(schema::<I>()))
        .with_title(title)
        .with_raw_output_schema(Arc::new(object(schema::<O>())))
        .with_annotations(annotations)
}

/// Only reads.
#[must_use]
pub fn reads() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false)
}

/// Writes that take nothing away: what was there stays in the history.
#[must_use]
pub fn adds() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false)
}

/// Writes that may replace what was there.
#[must_use]
pub fn writes() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(false)
}

/// Writes that take away what was there.
#[must_use]
pub fn destroys() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(true).idempotent(true).open_world(false)
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

/// A structured result.
///
/// # Errors
/// [`TypedError::Internal`] where it cannot be written as JSON.
pub fn structured<T: Serialize>(result: &T) -> Result<CallToolResponse, ToolError> {
    Ok(CallToolResult::structured(value(result)?).into())
}

pub(super) fn value<T: Serialize>(result: &T) -> Result<Value, ToolError> {
    Ok(serde_json::to_value(result).map_err(|_| TypedError::Internal)?)
}

/// Items of a page, from what the caller asked for.
pub(super) fn page_limit(limit: Option<u32>) -> Result<u32, ToolError> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        _ => Err(TypedError::Limit.into()),
    }
}

impl From<PathError> for ToolError {
    fn from(error: PathError) -> Self {
        TypedError::Path(error).into()
    }
}

/// What the caller of a tool that failed sees.
pub(super) fn refusal(code: &str, message: &str, more: Option<(&str, Value)>) -> CallToolResult {
    let mut told = json!({"code": code, "message": message});
    if let (Some((name, value)), Some(told)) = (more, told.as_object_mut()) {
        told.insert(name.to_owned(), value);
    }
    CallToolResult::error(vec![ContentBlock::text(told.to_string())])
}
