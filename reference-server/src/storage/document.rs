//! Documents: what one consists of, and the limits that hold for each.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path::DocumentPath;

/// Longest title, in bytes.
pub const TITLE_BYTES_MAX: usize = 256;
/// Longest media type, in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 127;
/// Most tags of a document.
pub const TAGS_MAX: usize = 32;
/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 64;
/// Largest metadata, in bytes of JSON.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;
/// Largest content where the operator sets nothing else, in bytes.
pub const CONTENT_BYTES_MAX: usize = 1024 * 1024;

/// Limits that an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest content, in bytes. Documents that are larger already stay readable.
    pub content_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { content_bytes: CONTENT_BYTES_MAX }
    }
}

/// Which limit a document would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The content is too large.
    #[error("the content has {bytes} bytes, more than {limit}")]
    Content {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// The metadata are too large.
    #[error("the metadata have {0} bytes of JSON, more than {METADATA_BYTES_MAX}")]
    Metadata(usize),
    /// The title is empty, too long or holds control characters.
    #[error("a title has 1 to {TITLE_BYTES_MAX} bytes and no control characters")]
    Title,
    /// Not a media type.
    #[error("a media type is type/subtype of at most {MEDIA_TYPE_BYTES_MAX} bytes, without parameters")]
    MediaType,
    /// A character that not every engine can store.
    #[error("content and metadata hold no NUL character (U+0000)")]
    Nul,
    /// Too many tags, or one that is empty, too long or holds control characters.
    #[error("a document has at most {TAGS_MAX} tags, each of 1 to {TAG_BYTES_MAX} bytes without control characters")]
    Tags,
}

/// What a writer gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// For people.
    pub title: String,
    /// What the content is.
    pub media_type: String,
    /// The text.
    pub content: String,
    /// Anything else that the writer wants to keep.
    pub metadata: Map<String, Value>,
    /// Words to find it by, in order and each once.
    pub tags: BTreeSet<String>,
}

impl Body {
    /// Holds the body to the limits.
    ///
    /// # Errors
    /// See [`Invalid`].
    pub fn check(&self, limits: Limits) -> Result<(), Invalid> {
        if self.content.len() > limits.content_bytes {
            return Err(Invalid::Content { bytes: self.content.len(), limit: limits.content_bytes });
        }
        if !line(&self.title, TITLE_BYTES_MAX) {
            return Err(Invalid::Title);
        }
        if !media_type(&self.media_type) {
            return Err(Invalid::MediaType);
        }
        if self.tags.len() > TAGS_MAX || !self.tags.iter().all(|tag| line(tag, TAG_BYTES_MAX)) {
            return Err(Invalid::Tags);
        }
        let metadata = serde_json::to_string(&self.metadata).map_or(usize::MAX, |json| json.len());
        if metadata > METADATA_BYTES_MAX {
            return Err(Invalid::Metadata(metadata));
        }
        if self.content.contains('\0') || self.metadata.iter().any(|(key, value)| key.contains('\0') || nul(value)) {
            return Err(Invalid::Nul);
        }
        Ok(())
    }

    /// The body with these changes.
    #[must_use]
    pub fn changed(self, changes: Changes) -> Self {
        Self {
            title: changes.title.unwrap_or(self.title),
            media_type: changes.media_type.unwrap_or(self.media_type),
            content: changes.content.unwrap_or(self.content),
            metadata: changes.metadata.unwrap_or(self.metadata),
            tags: changes.tags.unwrap_or(self.tags),
        }
    }
}

fn nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || nul(value)),
        _ => false,
    }
}

pub(super) fn line(text: &str, bytes_max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

fn media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.len() <= MEDIA_TYPE_BYTES_MAX && text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

/// What an update changes; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// A new title.
    pub title: Option<String>,
    /// A new media type.
    pub media_type: Option<String>,
    /// New content.
    pub content: Option<String>,
    /// New metadata in the place of all the old.
    pub metadata: Option<Map<String, Value>>,
    /// New tags in the place of all the old.
    pub tags: Option<BTreeSet<String>>,
}

impl Changes {
    /// Whether a list of resources, which has title, media type and size, shows them.
    #[must_use]
    pub fn listed(&self) -> bool {
        self.title.is_some() || self.media_type.is_some() || self.content.is_some()
    }
}

/// A stored document at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it is; of an earlier version, where it was.
    pub path: DocumentPath,
    /// Counts up with every change.
    pub version: u32,
    /// What its writer gave.
    pub body: Body,
    /// When the document was created, in milliseconds since 1970.
    pub created_at: i64,
    /// When this version was written.
    pub updated_at: i64,
}

/// A document without its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Where it is.
    pub path: DocumentPath,
    /// The current version.
    pub version: u32,
    /// For people.
    pub title: String,
    /// What the content is.
    pub media_type: String,
    /// Bytes of the content.
    pub size: u64,
    /// Words to find it by.
    pub tags: BTreeSet<String>,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_at: i64,
}

/// One version in a document's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The version.
    pub version: u32,
    /// Where the document was.
    pub path: DocumentPath,
    /// Its title then.
    pub title: String,
    /// Bytes of its content then.
    pub size: u64,
    /// When it was written, in milliseconds since 1970.
    pub updated_at: i64,
}

/// A document that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The document.
    pub summary: Summary,
    /// Content around what was found, with `**` around each find.
    pub snippet: String,
    /// How well it fits; only the order within one answer means something.
    pub score: f64,
}

/// Some of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether there is more behind them.
    pub more: bool,
}

impl<T> Page<T> {
    /// A page out of up to `limit` + 1 items.
    #[must_use]
    pub fn cut(mut items: Vec<T>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more }
    }
}

#[cfg(test)]
mod tests;
