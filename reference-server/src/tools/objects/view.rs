//! Objects as results show them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::objects::Stat;
use crate::tools::typed::time;

/// What is known about an object.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct About {
    /// Its key
    key: String,
    /// URI of the object as a resource
    uri: String,
    /// Bytes as they are read
    size: u64,
    /// Bytes as they are kept
    stored_size: u64,
    /// How they are kept, and undone when they are read: identity or gzip
    encoding: String,
    /// Media type
    media_type: String,
    /// Changes with the content; who replaces an object names it
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// When it was written, RFC 3339
    modified_at: String,
}

impl From<&Stat> for About {
    fn from(stat: &Stat) -> Self {
        Self {
            key: stat.key.to_string(),
            uri: stat.key.uri(),
            size: stat.size,
            stored_size: stat.stored_size,
            encoding: stat.encoding.name().to_owned(),
            media_type: stat.media_type.clone(),
            etag: stat.etag.clone(),
            modified_at: time(stat.modified_at),
        }
    }
}

/// An object in a page.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    /// Its key
    key: String,
    /// URI of the object as a resource
    uri: String,
    /// Bytes as they are kept
    stored_size: u64,
    /// Changes with the content; not every store lists it
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// When it was written, RFC 3339
    modified_at: String,
}

impl From<&Stat> for Entry {
    fn from(stat: &Stat) -> Self {
        Self {
            key: stat.key.to_string(),
            uri: stat.key.uri(),
            stored_size: stat.stored_size,
            etag: stat.etag.clone(),
            modified_at: time(stat.modified_at),
        }
    }
}

/// A page of objects.
#[derive(Serialize, JsonSchema)]
pub(super) struct Page {
    /// The objects
    pub(super) objects: Vec<Entry>,
    /// Cursor of the next page; absent on the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// Unix time in seconds as RFC 3339.
pub(super) fn end(seconds: u64) -> String {
    time(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000))
}
