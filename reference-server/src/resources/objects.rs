//! Objects as resources: `object://` and the key, with a range where one is asked for, as files have them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::ErrorData;
use rmcp::model::{CompletionInfo, Resource, ResourceContents, ResourceTemplate};
use serde_json::json;

use super::changed_at;
use super::files::{INLINE_BYTES_MAX, asked};
use crate::icons::Sign;
use crate::objects::{ObjectError, ObjectKey, Objects, OfObject, Stat};
use crate::state::Shared;

/// Template of the objects' URIs.
pub const OBJECT_TEMPLATE: &str = "object://{+key}{?offset,length}";

/// Objects of one page of the list of resources.
const PAGE: u32 = 100;

impl From<ObjectError> for ErrorData {
    fn from(error: ObjectError) -> Self {
        Self::internal_error(error.to_string(), Some(json!({"code": error.code()})))
    }
}

/// The template.
#[must_use]
pub fn template() -> ResourceTemplate {
    ResourceTemplate::new(OBJECT_TEMPLATE, "object")
        .with_description("An object of the store, or a part of it")
        .with_icons(Sign::Object.icons())
}

/// An object as the list shows it, but for its icon, and as results link to it.
#[must_use]
pub fn resource(stat: &Stat) -> Resource {
    Resource::new(stat.key.uri(), stat.key.as_str())
        .with_mime_type(stat.media_type.clone())
        .with_size(stat.size)
        .with_annotations(changed_at(stat.modified_at))
}

/// A page of objects from behind the key `after` on, and the URI to go on from.
///
/// # Errors
/// See [`ObjectError`].
pub async fn list(
    objects: &Objects,
    after: Option<&ObjectKey>,
) -> Result<(Vec<Resource>, Option<String>), ObjectError> {
    let listed = objects.list("", after.map(ObjectKey::as_str), PAGE).await?;
    let next = listed.next.and_then(|key| ObjectKey::parse(&key).ok()).map(|key| key.uri());
    let resources = listed.page.items.iter().map(|stat| resource(stat).with_icons(Sign::Object.icons()));
    Ok((resources.collect(), next))
}

/// Keys that start with what was typed.
///
/// # Errors
/// See [`ObjectError`].
pub async fn complete(objects: &Objects, typed: &str) -> Result<CompletionInfo, ObjectError> {
    let limit = u32::try_from(CompletionInfo::MAX_VALUES).unwrap_or(u32::MAX);
    let page = objects.list(typed, None, limit).await?.page;
    let keys = page.items.into_iter().map(|stat| stat.key.to_string()).collect();
    Ok(CompletionInfo::with_pagination(keys, None, page.more).unwrap_or_default())
}

/// The contents; `None` when there is no such object.
///
/// # Errors
/// -32602 for an object that is too large for a message, with the address where it can be had, and for a range behind
/// the end; an internal error with the code of [`ObjectError`] when the store fails.
pub async fn read(shared: &Shared, uri: &str) -> Result<Option<ResourceContents>, ErrorData> {
    let (Some(objects), Some(asked)) = (shared.objects(), asked::<OfObject>(uri)) else {
        return Ok(None);
    };
    let stat = match objects.stat(&asked.path).await {
        Ok(stat) => stat,
        Err(ObjectError::NotFound(_) | ObjectError::NotObject(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if asked.offset > stat.size {
        return Err(ErrorData::invalid_params(ObjectError::Range(stat.size).to_string(), None));
    }
    let inline = u64::try_from(INLINE_BYTES_MAX).unwrap_or(u64::MAX);
    if asked.length.is_none() && stat.size - asked.offset > inline {
        return Err(too_large(&stat));
    }
    let length = asked.length.unwrap_or(INLINE_BYTES_MAX).min(INLINE_BYTES_MAX);
    let (stat, bytes) = objects.read(&asked.path, asked.offset, length).await?;
    let contents = match String::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(error) => ResourceContents::blob(STANDARD.encode(error.into_bytes()), uri),
    };
    Ok(Some(contents.with_mime_type(stat.media_type)))
}

/// Without a link: errors go to logs, and who has a link has the object. `object_read` gives one.
fn too_large(stat: &Stat) -> ErrorData {
    let message = format!(
        "the object has {} bytes, and a message takes {INLINE_BYTES_MAX}; read parts with ?offset=N&length=N, or call object_read",
        stat.size
    );
    ErrorData::invalid_params(message, None)
}
