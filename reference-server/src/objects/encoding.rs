//! Compression of text: chosen by media type and size, kept only where it saves room, recorded with the object.
//!
//! It is recorded in metadata of the object's own and not as its `Content-Encoding`: a store may undo that on its own
//! account when it is asked (Google's does), and then sizes, ranges and checksums are no longer what was stored.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::{ObjectError, SINGLE_BYTES_MAX, Stat};

/// Smallest content that is compressed, in bytes: below, the overhead eats what is saved.
const COMPRESSED_BYTES_MIN: usize = 1 << 10;

/// Largest content that is compressed, in bytes: it is undone in memory.
pub const COMPRESSED_BYTES_MAX: usize = SINGLE_BYTES_MAX;

/// How an object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it was written.
    Identity,
    /// Compressed with gzip (RFC 1952).
    Gzip,
}

impl Encoding {
    /// Its name, as HTTP calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }

    /// The encoding of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Identity, Self::Gzip].into_iter().find(|encoding| encoding.name() == name)
    }
}

/// Whether content of this type is text, or close to it.
pub(super) fn is_textual(media_type: &str) -> bool {
    const TEXTUAL: &[&str] = &[
        "application/json",
        "application/x-ndjson",
        "application/xml",
        "application/javascript",
        "application/yaml",
        "application/toml",
        "application/sql",
        "image/svg+xml",
    ];
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || TEXTUAL.contains(&media_type)
}

/// The content as it is kept: compressed where it is text and a tenth of it is saved.
pub(super) async fn encode(media_type: &str, content: Bytes) -> (Encoding, Bytes) {
    let worth = (COMPRESSED_BYTES_MIN..=COMPRESSED_BYTES_MAX).contains(&content.len());
    if !worth || !is_textual(media_type) {
        return (Encoding::Identity, content);
    }
    let plain = content.clone();
    let packed = tokio::task::spawn_blocking(move || compress(&plain)).await.ok().flatten();
    match packed {
        Some(packed) if packed.len() < content.len() - content.len() / 10 => (Encoding::Gzip, Bytes::from(packed)),
        _ => (Encoding::Identity, content),
    }
}

fn compress(content: &[u8]) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(content).ok()?;
    packer.finish().ok()
}

/// A part of an object, from the bytes that are kept of it.
///
/// # Errors
/// [`ObjectError::Corrupt`].
pub(super) async fn part(kept: Bytes, stat: &Stat, offset: u64, length: u64) -> Result<Bytes, ObjectError> {
    let within = |plain: Bytes| {
        let first = usize::try_from(offset).ok()?;
        let end = usize::try_from(offset.saturating_add(length)).ok()?;
        (first <= end && end <= plain.len()).then(|| plain.slice(first..end))
    };
    let part = decode(kept, stat.size).await.and_then(within);
    part.ok_or_else(|| ObjectError::Corrupt(stat.key.clone()))
}

/// The content as it was written; `None` where it does not have exactly `size` bytes. Never holds more than those.
async fn decode(packed: Bytes, size: u64) -> Option<Bytes> {
    if size > u64::try_from(COMPRESSED_BYTES_MAX).unwrap_or(u64::MAX) {
        return None;
    }
    tokio::task::spawn_blocking(move || {
        let mut plain = Vec::new();
        GzDecoder::new(packed.as_ref()).take(size.saturating_add(1)).read_to_end(&mut plain).ok()?;
        (u64::try_from(plain.len()).ok()? == size).then(|| Bytes::from(plain))
    })
    .await
    .ok()
    .flatten()
}

#[cfg(test)]
mod tests;
