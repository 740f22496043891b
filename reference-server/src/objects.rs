//! A store of objects: large content by key, in a cloud's store, in a directory of the host, or in memory.
//!
//! In: checked keys, streams of bytes with a media type and a [`Condition`]. Out: what is known about an object, parts of
//! it, streams, and links. Refusals: [`ObjectError`], each with a stable code.
//! Invariants: an object is there as a whole or not at all; a condition that a store cannot keep is refused and not
//! guessed at; what callers read are the bytes that were written, however they are kept; no credential of a store is in
//! a message, a log line or a `Debug` text.
//!
//! Reading order: [`open`] finds the store, [`Objects`] is what callers see, `remote` and `local` are the two ways to keep
//! objects, [`encoding`] compresses, [`content`] takes a body in, [`link`] and [`serve`] are the way around messages.

pub mod arguments;
pub mod content;
mod encoding;
mod error;
pub mod link;
mod local;
mod logged;
mod multipart;
pub mod open;
mod remote;
pub mod serve;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;

pub use encoding::{COMPRESSED_BYTES_MAX, Encoding};
pub use error::ObjectError;
pub use open::{OpenError, Options};

use crate::storage::Page;
use crate::storage::path::{Scheme, StoredPath};

/// Most bytes that are sent to a store at once, and held in memory for it. What is larger is sent in parts, which no
/// store takes under a condition.
pub const SINGLE_BYTES_MAX: usize = 16 << 20;

/// Writes at one time; each holds up to twice [`SINGLE_BYTES_MAX`] in memory.
const WRITES_MAX: usize = 16;

/// Longest media type, in bytes.
const MEDIA_TYPE_BYTES_MAX: usize = 127;

/// Longest ETag, in bytes.
const ETAG_BYTES_MAX: usize = 128;

/// Objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfObject;

impl Scheme for OfObject {
    const PREFIX: &'static str = "object://";
}

/// The key of an object, such as `reports/2026/q1.csv`.
pub type ObjectKey = StoredPath<OfObject>;

/// What may be stored, and how long a store may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest object, in bytes as they were written.
    pub object_bytes: u64,
    /// All objects together, in bytes as they are kept. Held in a directory and in memory; a cloud's store has quotas of
    /// its own.
    pub total_bytes: u64,
    /// Number of objects, held where `total_bytes` is.
    pub objects: u64,
    /// How long one request to a store, or the wait for the next piece of an answer, may take.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { object_bytes: 1 << 30, total_bytes: 10 << 30, objects: 100_000, timeout: Duration::from_secs(30) }
    }
}

/// When a write may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is at the key.
    Absent,
    /// The object that is there has this ETag.
    Etag(String),
    /// Always: what is there is replaced.
    Always,
}

impl Condition {
    /// That an object has this ETag.
    ///
    /// # Errors
    /// [`ObjectError::Etag`] for what no store gives out.
    pub fn etag(etag: &str) -> Result<Self, ObjectError> {
        let plain = etag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if etag.is_empty() || etag.len() > ETAG_BYTES_MAX || !plain {
            return Err(ObjectError::Etag);
        }
        Ok(Self::Etag(etag.to_owned()))
    }
}

/// What is known about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Its key.
    pub key: ObjectKey,
    /// Bytes as they were written and are read. In a page of a list of a cloud's store, bytes as they are kept.
    pub size: u64,
    /// Bytes as they are kept.
    pub stored_size: u64,
    /// How they are kept. Not known from a page of a list of a cloud's store.
    pub encoding: Encoding,
    /// Media type as it was written, or guessed from the key.
    pub media_type: String,
    /// Changes with the content, in most stores with every write. Opaque. A page of a list of Google's store has none.
    pub etag: Option<String>,
    /// When it was written, in milliseconds since 1970.
    pub modified_at: i64,
}

/// The bytes of an object, or a part of them.
pub type Stream = BoxStream<'static, Result<Bytes, ObjectError>>;

/// A page of objects, and the place to go on from where there are more.
#[derive(Debug)]
pub struct Listed {
    /// The objects, in the order of the store.
    pub page: Page<Stat>,
    /// Key to go on behind.
    pub next: Option<String>,
}

/// A checked media type: type and subtype, without parameters, in lower case.
///
/// # Errors
/// [`ObjectError::MediaType`].
pub fn media_type(text: &str) -> Result<String, ObjectError> {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some((kind, subtype)) if essence.len() <= MEDIA_TYPE_BYTES_MAX && token(kind) && token(subtype) => Ok(essence),
        _ => Err(ObjectError::MediaType),
    }
}

/// The media type that a key tells.
fn guessed(key: &ObjectKey) -> String {
    mime_guess::from_path(key.name()).first_or_octet_stream().essence_str().to_owned()
}

/// A store of objects.
#[derive(Debug)]
pub struct Objects {
    kept: Kept,
    limits: Limits,
    links: link::Policy,
    writing: Semaphore,
}

#[derive(Debug)]
enum Kept {
    Local(local::Local),
    Remote(remote::Remote),
}

impl Objects {
    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Stores an object.
    ///
    /// # Errors
    /// See [`ObjectError`]. After [`ObjectError::Timeout`] and [`ObjectError::Unavailable`] it is not known whether all of
    /// it is there or what was there before; after any other, what was there is there still.
    pub async fn put(
        &self,
        key: &ObjectKey,
        media_type: Option<String>,
        content: content::Content,
        condition: &Condition,
    ) -> Result<Stat, ObjectError> {
        let _writing = self.writing.try_acquire().map_err(|_| ObjectError::Busy)?;
        let media_type = media_type.unwrap_or_else(|| guessed(key));
        match &self.kept {
            Kept::Local(local) => local.put(key, media_type, content, condition).await,
            Kept::Remote(remote) => remote.put(key, media_type, content, condition).await,
        }
    }

    /// What is known about an object.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub async fn stat(&self, key: &ObjectKey) -> Result<Stat, ObjectError> {
        match &self.kept {
            Kept::Local(local) => local.stat(key).await,
            Kept::Remote(remote) => remote.stat(key).await,
        }
    }

    /// At most `length` bytes of an object from `offset` on, of the bytes that were written.
    ///
    /// # Errors
    /// See [`ObjectError`]; [`ObjectError::Range`] where `offset` is behind the end.
    pub async fn read(&self, key: &ObjectKey, offset: u64, length: usize) -> Result<(Stat, Vec<u8>), ObjectError> {
        let stat = self.stat(key).await?;
        let length = u64::try_from(length).unwrap_or(u64::MAX).min(stat.size.saturating_sub(offset));
        if offset > stat.size {
            return Err(ObjectError::Range(stat.size));
        }
        let bytes = content::whole(self.stream(&stat, offset, length).await?).await?;
        Ok((stat, bytes))
    }

    /// `length` bytes of the object that `stat` tells of, from `offset` on; both within its size.
    ///
    /// # Errors
    /// See [`ObjectError`]; [`ObjectError::Conflict`] where it was replaced since.
    pub async fn stream(&self, stat: &Stat, offset: u64, length: u64) -> Result<Stream, ObjectError> {
        if length == 0 {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        match &self.kept {
            Kept::Local(local) => local.stream(stat, offset, length).await,
            Kept::Remote(remote) => remote.stream(stat, offset, length).await,
        }
    }

    /// Whether the store can be used at the moment.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub async fn check(&self) -> Result<(), ObjectError> {
        match &self.kept {
            Kept::Local(local) => local.check().await,
            Kept::Remote(remote) => remote.list("", None, 1).await.map(drop),
        }
    }

    /// A page of the objects whose keys start with `prefix`, from behind the key `after` on.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Listed, ObjectError> {
        let folder = prefix.rsplit_once('/').map(|(folder, _)| ObjectKey::parse(folder));
        let place = after.map(ObjectKey::parse);
        if folder.is_some_and(|folder| folder.is_err()) || place.is_some_and(|place| place.is_err()) {
            // The beginning of no key.
            return Ok(Listed { page: Page { items: vec![], more: false }, next: None });
        }
        match &self.kept {
            Kept::Local(local) => local.list(prefix, after, limit).await,
            Kept::Remote(remote) => remote.list(prefix, after, limit).await,
        }
    }

    /// Removes an object; returns what it was.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub async fn delete(&self, key: &ObjectKey, etag: Option<&str>) -> Result<Stat, ObjectError> {
        match &self.kept {
            Kept::Local(local) => local.delete(key, etag).await,
            Kept::Remote(remote) => remote.delete(key, etag).await,
        }
    }
}

#[cfg(test)]
mod tests;
