//! `object_read`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{About, end};
use crate::objects::link::Reading;
use crate::objects::{ObjectError, ObjectKey, Stat};
use crate::resources::files::{INLINE_BYTES_MAX, Part, part};
use crate::resources::objects::resource;
use crate::tools::typed::{TypedError, reads, structured, typed_tool, value};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Reads an object, as text where it is text, else as Base64; with offset and length a part of it. \
        What is too large for a message comes as a link that works for a while.";
    Entry::new(typed_tool::<Read, Content>("object_read", "Read an object", description, reads()), read)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// Key of the object
    key: String,
    /// First byte; 0 if not given
    offset: Option<u64>,
    /// Most bytes, 1 to 1048576
    length: Option<usize>,
}

/// An object or a part of it, or where it can be had.
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
    /// Address of the whole object, where it is too large for a message
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// When the address ends, RFC 3339; absent where it does not
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
    let key = ObjectKey::parse(&wanted.key)?;
    let length = match wanted.length.unwrap_or(INLINE_BYTES_MAX) {
        length @ 1..=INLINE_BYTES_MAX => length,
        _ => return Err(TypedError::Length(INLINE_BYTES_MAX).into()),
    };
    let objects = call.objects()?;
    if wanted.offset.is_none() && wanted.length.is_none() {
        let stat = objects.stat(&key).await?;
        if stat.size > u64::try_from(INLINE_BYTES_MAX).unwrap_or(u64::MAX) {
            match objects.link(&stat, call.server.shared.links(), call.lifetime(None)?).await {
                Ok(link) => return linked(&stat, &link),
                // Then it is had in parts only.
                Err(ObjectError::NoLinks) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let offset = wanted.offset.unwrap_or(0);
    let (stat, bytes) = objects.read(&key, offset, length).await?;
    let Part { content, next_offset } = part(stat.size, offset, bytes);
    let mut read = Content { next_offset, ..Content::of(&stat) };
    match content {
        Ok(text) => read.content = Some(text),
        Err(bytes) => read.content_base64 = Some(STANDARD.encode(bytes)),
    }
    structured(&read)
}

/// What is too large for a message.
fn linked(stat: &Stat, link: &Reading) -> Outcome {
    let read = Content { url: Some(link.url.clone()), url_expires_at: link.expires_at.map(end), ..Content::of(stat) };
    let mut result = CallToolResult::structured(value(&read)?);
    let mut resource = resource(stat);
    resource.uri.clone_from(&link.url);
    result.content.push(ContentBlock::resource_link(resource));
    Ok(result.into())
}
