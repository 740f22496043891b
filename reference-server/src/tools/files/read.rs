//! `file_read`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{About, resource};
use crate::directory::{FilePath, Stat};
use crate::download::Link;
use crate::resources::files::{INLINE_BYTES_MAX, Part, part};
use crate::tools::typed::{TypedError, reads, structured, time, typed_tool, value};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Reads a file of the served directory, as text where it is text, else as Base64; with offset and \
        length a part of it. What is too large for a message comes as a link that works for a while.";
    Entry::new(typed_tool::<Read, Content>("file_read", "Read a file", description, reads()), read)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// Path from the served directory on
    path: String,
    /// First byte; 0 if not given
    offset: Option<u64>,
    /// Most bytes, 1 to 1048576
    length: Option<usize>,
}

/// A file or a part of it, or where it can be had.
#[derive(Serialize, JsonSchema)]
struct Content {
    #[serde(flatten)]
    about: About,
    /// The text
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// The bytes as Base64, where they are no text
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
    /// Where to read on; absent at the end
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// Address of the whole file, where it is too large for a message
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// When the address ends, RFC 3339
    #[serde(skip_serializing_if = "Option::is_none")]
    url_expires_at: Option<String>,
}

impl Content {
    fn of(stat: &Stat) -> Self {
        Self {
            about: About::from(stat),
            content: None,
            content_base64: None,
            next_offset: None,
            url: None,
            url_expires_at: None,
        }
    }
}

async fn read(call: Call) -> Outcome {
    let wanted: Read = call.typed_arguments()?;
    let path = FilePath::parse(&wanted.path)?;
    let length = match wanted.length.unwrap_or(INLINE_BYTES_MAX) {
        length @ 1..=INLINE_BYTES_MAX => length,
        _ => return Err(TypedError::Length(INLINE_BYTES_MAX).into()),
    };
    let directory = call.directory()?;
    let (stat, bytes) = directory.read(&path, wanted.offset.unwrap_or(0), length).await?;
    let whole = wanted.offset.is_none() && wanted.length.is_none();
    let large = whole && stat.size > u64::try_from(INLINE_BYTES_MAX).unwrap_or(u64::MAX);
    if large && let Some(links) = call.server.shared.links() {
        return linked(&stat, &links.to_file(&path));
    }
    let Part { content, next_offset } = part(stat.size, wanted.offset.unwrap_or(0), bytes);
    let mut read = Content { next_offset, ..Content::of(&stat) };
    match content {
        Ok(text) => read.content = Some(text),
        Err(bytes) => read.content_base64 = Some(STANDARD.encode(bytes)),
    }
    structured(&read)
}

/// What is too large for a message.
fn linked(stat: &Stat, link: &Link) -> Outcome {
    let expires = i64::try_from(link.expires_at).unwrap_or(i64::MAX).saturating_mul(1_000);
    let read = Content { url: Some(link.url.clone()), url_expires_at: Some(time(expires)), ..Content::of(stat) };
    let mut result = CallToolResult::structured(value(&read)?);
    let mut resource = resource(stat);
    resource.uri.clone_from(&link.url);
    result.content.push(ContentBlock::resource_link(resource));
    Ok(result.into())
}
