//! `object_write`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::Deserialize;

use super::condition;
use super::view::About;
use crate::objects::content::Content;
use crate::objects::{Condition, ObjectKey, media_type};
use crate::resources::objects::resource;
use crate::tools::typed::{TypedError, typed_tool, value, writes};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Stores an object, as text or Base64. An object that is there is replaced only by who names its \
        ETag, or says overwrite. Text is kept compressed where that saves room. What is too large for a message is sent \
        to a link of object_upload_link.";
    Entry::new(typed_tool::<Write, About>("object_write", "Write an object", description, writes()), write)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Write {
    /// Key of the object: segments with single slashes between them
    key: String,
    /// The text; give this or content_base64
    content: Option<String>,
    /// The bytes as Base64; give this or content
    content_base64: Option<String>,
    /// Media type; guessed from the key if not given
    media_type: Option<String>,
    /// ETag of the object that is replaced; without it nothing may be at this key
    expected_etag: Option<String>,
    /// Replace whatever is at this key
    #[serde(default)]
    overwrite: bool,
}

async fn write(call: Call) -> Outcome {
    let wanted: Write = call.typed_arguments()?;
    let key = ObjectKey::parse(&wanted.key)?;
    let kind = wanted.media_type.as_deref().map(media_type).transpose()?;
    let condition = condition(wanted.expected_etag.as_deref(), wanted.overwrite)?;
    let bytes = match (wanted.content, wanted.content_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|_| TypedError::Base64)?,
        _ => return Err(TypedError::OneContent.into()),
    };
    let objects = call.objects()?;
    let content = Content::of(bytes, objects.limits().object_bytes);
    let stored = objects.put(&key, kind, content, &condition).await?;
    call.announce_object(&key, !matches!(condition, Condition::Etag(_)));
    let mut result = CallToolResult::structured(value(&About::from(&stored))?);
    result.content.push(ContentBlock::resource_link(resource(&stored)));
    Ok(result.into())
}
