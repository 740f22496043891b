//! Objects in a directory of the host: each a file, its content first and behind it what is known about it.
//!
//! A file without that ending, which somebody else put there, is an object as well: of the type that its name tells.

use std::io::{self, SeekFrom};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::content::{Beginning, Content};
use super::{Condition, Encoding, Listed, ObjectError, ObjectKey, Stat, Stream, encoding, guessed};
use crate::directory::{self, Directory, FileError, FilePath, Listing};
use crate::storage::Page;

/// What a file with an ending ends with: no text does.
const MARK: &[u8; 8] = b"\xffDWOBJ\x01\n";

/// Bytes at the very end: the length of what is known, big-endian, and the mark.
const FOOT: usize = 4 + MARK.len();

/// Most bytes of what is known and the foot.
pub(super) const ENDING_BYTES_MAX: u64 = 512;

/// Bytes that are read and sent at once.
const CHUNK_BYTES: usize = 64 << 10;

/// What is known about an object beside what the file itself tells.
#[derive(Serialize, Deserialize)]
struct Known {
    media_type: String,
    encoding: String,
    size: u64,
}

#[derive(Debug)]
pub(super) struct Local(pub(super) Directory);

/// A key and a path have the same grammar.
fn path(key: &ObjectKey) -> Result<FilePath, ObjectError> {
    FilePath::parse(key.as_str()).map_err(|_| ObjectError::NotFound(key.clone()))
}

fn unavailable(error: &io::Error) -> ObjectError {
    tracing::warn!(%error, "an object cannot be read");
    ObjectError::Unavailable
}

impl Local {
    pub(super) async fn put(
        &self,
        key: &ObjectKey,
        media_type: String,
        mut content: Content,
        condition: &Condition,
    ) -> Result<Stat, ObjectError> {
        let failed = |error| ObjectError::of_file(error, key);
        // What is not compressed is not waited for.
        let first = match encoding::is_textual(&media_type) {
            true => content.beginning().await?,
            false => Beginning::Part(Bytes::new()),
        };
        let mut upload = self.0.upload(&path(key)?).await.map_err(failed)?;
        let (encoding, size, stored_size) = match first {
            Beginning::Whole(bytes) => {
                let size = length(&bytes);
                let (encoding, kept) = encoding::encode(&media_type, bytes).await;
                let stored_size = length(&kept);
                upload.write(kept).await.map_err(failed)?;
                (encoding, size, stored_size)
            }
            Beginning::Part(bytes) => {
                let mut size = length(&bytes);
                upload.write(bytes).await.map_err(failed)?;
                while let Some(piece) = content.next().await? {
                    size = size.saturating_add(length(&piece));
                    upload.write(piece).await.map_err(failed)?;
                }
                (Encoding::Identity, size, size)
            }
        };
        let known = Known { media_type: media_type.clone(), encoding: encoding.name().to_owned(), size };
        upload.write(ending(&known)?).await.map_err(failed)?;
        let condition = match condition {
            Condition::Absent => Some(directory::Condition::Absent),
            Condition::Etag(etag) => Some(directory::Condition::Revision(etag.clone())),
            Condition::Always => None,
        };
        let file = upload.finish(condition).await.map_err(failed)?;
        let (etag, modified_at) = (Some(file.revision), file.modified_at);
        Ok(Stat { key: key.clone(), size, stored_size, encoding, media_type, etag, modified_at })
    }

    pub(super) async fn stat(&self, key: &ObjectKey) -> Result<Stat, ObjectError> {
        Ok(self.opened(key).await?.1)
    }

    pub(super) async fn stream(&self, stat: &Stat, offset: u64, length: u64) -> Result<Stream, ObjectError> {
        let (mut file, now) = self.opened(&stat.key).await?;
        if now.etag != stat.etag {
            return Err(ObjectError::Conflict { key: stat.key.clone(), current: now.etag });
        }
        let packed = stat.encoding == Encoding::Gzip;
        let first = if packed { 0 } else { offset };
        file.seek(SeekFrom::Start(first)).await.map_err(|error| unavailable(&error))?;
        if !packed {
            let pieces = ReaderStream::with_capacity(file.take(length), CHUNK_BYTES);
            return Ok(pieces.map_err(|error| unavailable(&error)).boxed());
        }
        let mut kept = Vec::new();
        file.take(stat.stored_size).read_to_end(&mut kept).await.map_err(|error| unavailable(&error))?;
        let part = encoding::part(Bytes::from(kept), stat, offset, length).await?;
        Ok(Box::pin(futures_util::stream::iter([Ok(part)])))
    }

    pub(super) async fn check(&self) -> Result<(), ObjectError> {
        self.0.check().await.map_err(|_| ObjectError::Unavailable)
    }

    pub(super) async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Listed, ObjectError> {
        let listing = Listing::starting(prefix.to_owned());
        let page = self.0.list(listing, after.map(str::to_owned), limit).await;
        let found = page.map_err(|error| match error {
            FileError::Io(_) => ObjectError::Unavailable,
            other => {
                tracing::warn!(error = %other, "objects cannot be listed");
                ObjectError::Unavailable
            }
        })?;
        let mut items = Vec::with_capacity(found.items.len());
        for file in &found.items {
            let Ok(key) = ObjectKey::parse(file.path.as_str()) else {
                continue;
            };
            match self.stat(&key).await {
                Ok(stat) => items.push(stat),
                // Removed or replaced while the page was made.
                Err(ObjectError::NotFound(_) | ObjectError::NotObject(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let next = found.items.last().filter(|_| found.more).map(|last| last.path.to_string());
        Ok(Listed { page: Page { items, more: found.more }, next })
    }

    pub(super) async fn delete(&self, key: &ObjectKey, etag: Option<&str>) -> Result<Stat, ObjectError> {
        let stat = self.stat(key).await?;
        let deleted = self.0.delete(&path(key)?, etag.map(str::to_owned)).await;
        deleted.map_err(|error| ObjectError::of_file(error, key))?;
        Ok(stat)
    }

    /// An object's file, open for reading, and what is known about it.
    async fn opened(&self, key: &ObjectKey) -> Result<(tokio::fs::File, Stat), ObjectError> {
        let (file, about) = self.0.file(&path(key)?).await.map_err(|error| ObjectError::of_file(error, key))?;
        let mut file = tokio::fs::File::from_std(file);
        let tail = about.size.min(ENDING_BYTES_MAX);
        let mut ending = Vec::new();
        file.seek(SeekFrom::Start(about.size - tail)).await.map_err(|error| unavailable(&error))?;
        file.read_to_end(&mut ending).await.map_err(|error| unavailable(&error))?;
        let stat = Stat {
            key: key.clone(),
            size: about.size,
            stored_size: about.size,
            encoding: Encoding::Identity,
            media_type: guessed(key),
            etag: Some(about.revision.clone()),
            modified_at: about.modified_at,
        };
        let Some((known, bytes)) = known(&ending) else {
            return Ok((file, stat));
        };
        let stored_size = about.size.saturating_sub(bytes);
        let encoding = Encoding::named(&known.encoding).ok_or_else(|| ObjectError::Corrupt(key.clone()))?;
        if encoding == Encoding::Identity && known.size != stored_size {
            return Err(ObjectError::Corrupt(key.clone()));
        }
        Ok((file, Stat { size: known.size, stored_size, encoding, media_type: known.media_type, ..stat }))
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn ending(known: &Known) -> Result<Vec<u8>, ObjectError> {
    let mut ending = serde_json::to_vec(known).map_err(|_| ObjectError::Unavailable)?;
    let length = u32::try_from(ending.len()).map_err(|_| ObjectError::Unavailable)?;
    ending.extend_from_slice(&length.to_be_bytes());
    ending.extend_from_slice(MARK);
    Ok(ending)
}

/// What the last bytes of a file tell, and how many of them do; `None` where they are content.
fn known(tail: &[u8]) -> Option<(Known, u64)> {
    let rest = tail.strip_suffix(MARK)?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
    let length = usize::try_from(u32::from_be_bytes(digits.try_into().ok()?)).ok()?;
    let text = rest.get(rest.len().checked_sub(length)?..)?;
    let known = serde_json::from_slice(text).ok()?;
    Some((known, u64::try_from(length + FOOT).ok()?))
}
