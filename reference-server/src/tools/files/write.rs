//! `file_write`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::Deserialize;

use super::view::{About, resource};
use crate::directory::{Condition, FilePath};
use crate::tools::typed::{TypedError, typed_tool, value, writes};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Stores a file in the served directory, as text or Base64, with the folders on the way. A file that \
        is there is replaced only by who names its revision.";
    Entry::new(typed_tool::<Write, About>("file_write", "Write a file", description, writes()), write)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Write {
    /// Path from the served directory on
    path: String,
    /// The text; give this or content_base64
    content: Option<String>,
    /// The bytes as Base64; give this or content
    content_base64: Option<String>,
    /// The revision that is replaced; without it nothing may be at this path
    expected_revision: Option<String>,
}

async fn write(call: Call) -> Outcome {
    let wanted: Write = call.typed_arguments()?;
    let path = FilePath::parse(&wanted.path)?;
    let content = match (wanted.content, wanted.content_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|_| TypedError::Base64)?,
        _ => return Err(TypedError::OneContent.into()),
    };
    let replaces = wanted.expected_revision.is_some();
    let condition = wanted.expected_revision.map_or(Condition::Absent, Condition::Revision);
    let stored = call.directory()?.write(&path, content, condition).await?;
    call.announce_file(&path, !replaces);
    let mut result = CallToolResult::structured(value(&About::from(&stored))?);
    result.content.push(ContentBlock::resource_link(resource(&stored)));
    Ok(result.into())
}
