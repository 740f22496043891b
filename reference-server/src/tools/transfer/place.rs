//! Where a file goes, and where it comes from: the message, the served directory, the store of objects.

use std::io::{self, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use rmcp::model::Resource;

use super::spool::Spool;
use super::{FILE_BYTES_MAX, TransferError, scratch};
use crate::directory::{self, Directory, FilePath};
use crate::objects::content::Content;
use crate::objects::{self, ObjectError, ObjectKey, Objects};
use crate::resources;
use crate::state::{Change, Shared};
use crate::tools::ToolError;
use crate::tools::typed::TypedError;

/// A file or an object.
#[derive(Debug, Clone)]
pub(super) enum Named {
    File(FilePath),
    Object(ObjectKey),
}

impl Named {
    /// The place with this URI, which the server must have.
    ///
    /// # Errors
    /// [`TransferError::Uri`], [`TransferError::NoPlace`].
    pub(super) fn parse(uri: &str, shared: &Shared) -> Result<Self, TransferError> {
        let named = FilePath::from_uri(uri).map(Self::File).or_else(|| ObjectKey::from_uri(uri).map(Self::Object));
        let named = named.ok_or_else(|| TransferError::Uri(uri.chars().take(200).collect()))?;
        match named {
            Self::File(_) if shared.directory().is_none() => Err(TransferError::NoPlace("directory")),
            Self::Object(_) if shared.objects().is_none() => Err(TransferError::NoPlace("store of objects")),
            named => Ok(named),
        }
    }
}

/// Where an export goes, and when it may.
#[derive(Debug, Clone)]
pub(super) enum Target {
    File(FilePath, directory::Condition),
    Object(ObjectKey, objects::Condition),
}

/// What an export has become.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) uri: String,
    pub(super) revision: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) link: Resource,
}

impl Target {
    /// The target with this URI. Without a condition nothing may be there.
    ///
    /// # Errors
    /// Those of [`Named::parse`], and conditions of the other kind of place.
    pub(super) fn parse(
        uri: &str,
        revision: Option<String>,
        etag: Option<&str>,
        overwrite: bool,
        shared: &Shared,
    ) -> Result<Self, ToolError> {
        match (Named::parse(uri, shared)?, revision, etag, overwrite) {
            (Named::File(path), None, None, false) => Ok(Self::File(path, directory::Condition::Absent)),
            (Named::File(path), Some(revision), None, false) => {
                Ok(Self::File(path, directory::Condition::Revision(revision)))
            }
            (Named::File(_), ..) => {
                Err(TransferError::Arguments("a file is replaced by expected_revision and nothing else").into())
            }
            (Named::Object(key), None, None, false) => Ok(Self::Object(key, objects::Condition::Absent)),
            (Named::Object(key), None, None, true) => Ok(Self::Object(key, objects::Condition::Always)),
            (Named::Object(key), None, Some(etag), false) => Ok(Self::Object(key, objects::Condition::etag(etag)?)),
            (Named::Object(_), ..) => {
                Err(TransferError::Arguments("an object is replaced by either expected_etag or overwrite").into())
            }
        }
    }

    /// How many bytes it takes.
    pub(super) fn bytes_max(&self, shared: &Shared) -> u64 {
        let allowed = match self {
            Self::File(..) => shared.directory().map(|directory| directory.quota().file_bytes),
            Self::Object(..) => shared.objects().map(|objects| objects.limits().object_bytes),
        };
        allowed.unwrap_or(0).min(FILE_BYTES_MAX)
    }

    /// Puts a file there, as a whole or not at all.
    ///
    /// # Errors
    /// Those of the directory and the store of objects.
    pub(super) async fn store(self, spool: Spool, media_type: &str, shared: &Arc<Shared>) -> Result<Stored, ToolError> {
        match self {
            Self::File(path, condition) => {
                let directory = shared.directory().ok_or(TypedError::Internal)?;
                write(directory, &path, condition, spool, shared).await
            }
            Self::Object(key, condition) => {
                let objects = shared.objects().ok_or(TypedError::Internal)?;
                put(objects, &key, &condition, spool, media_type, shared).await
            }
        }
    }
}

async fn write(
    directory: &Directory,
    path: &FilePath,
    condition: directory::Condition,
    mut spool: Spool,
    shared: &Shared,
) -> Result<Stored, ToolError> {
    let is_new = condition == directory::Condition::Absent;
    let mut upload = directory.upload(path).await?;
    loop {
        let (rest, chunk) = spool.chunk().await.map_err(scratch)?;
        if chunk.is_empty() {
            break;
        }
        upload.write(chunk).await?;
        spool = rest;
    }
    let stat = upload.finish(Some(condition)).await?;
    if !shared.watches_directory() {
        announce(shared, path.uri(), is_new);
    }
    let link = resources::files::resource(&stat);
    Ok(Stored { uri: path.uri(), revision: Some(stat.revision), etag: None, link })
}

async fn put(
    objects: &Objects,
    key: &ObjectKey,
    condition: &objects::Condition,
    spool: Spool,
    media_type: &str,
    shared: &Shared,
) -> Result<Stored, ToolError> {
    let pieces = stream::try_unfold(spool, async |spool| {
        let (rest, chunk) = spool.chunk().await.map_err(|error| {
            tracing::error!(%error, "the folder for temporary files failed");
            ObjectError::Cut
        })?;
        Ok((!chunk.is_empty()).then_some((chunk, rest)))
    });
    let content = Content::stream(pieces, objects.limits().object_bytes);
    let stat = objects.put(key, Some(media_type.to_owned()), content, condition).await?;
    announce(shared, key.uri(), !matches!(condition, objects::Condition::Etag(_)));
    let link = resources::objects::resource(&stat);
    Ok(Stored { uri: key.uri(), revision: None, etag: stat.etag, link })
}

fn announce(shared: &Shared, uri: String, list: bool) {
    if list {
        shared.announce(Change::Resources);
    }
    shared.announce(Change::Resource(uri));
}

/// What an import comes from.
#[derive(Debug)]
pub(super) enum Source {
    Bytes(Vec<u8>),
    Named(Named),
}

impl Source {
    /// The one that is given.
    ///
    /// # Errors
    /// Where it is none or more than one, and those of [`Named::parse`].
    pub(super) fn parse(
        from: Option<&str>,
        content: Option<String>,
        content_base64: Option<&str>,
        shared: &Shared,
    ) -> Result<Self, ToolError> {
        match (from, content, content_base64) {
            (Some(uri), None, None) => Ok(Self::Named(Named::parse(uri, shared)?)),
            (None, Some(text), None) => Ok(Self::Bytes(text.into_bytes())),
            (None, None, Some(encoded)) => Ok(Self::Bytes(STANDARD.decode(encoded).map_err(|_| TypedError::Base64)?)),
            _ => Err(TransferError::Arguments("give one of from, content and content_base64").into()),
        }
    }

    /// A copy that nobody changes.
    ///
    /// # Errors
    /// [`TransferError::TooLarge`], and those of the place.
    pub(super) async fn copy(self, shared: &Shared) -> Result<Spool, ToolError> {
        let spool = Spool::new(FILE_BYTES_MAX);
        match self {
            Self::Bytes(bytes) => spool.with(Bytes::from(bytes)).await.map_err(too_large),
            Self::Named(Named::File(path)) => {
                let (file, _) = shared.directory().ok_or(TypedError::Internal)?.file(&path).await?;
                let copying = tokio::task::spawn_blocking(move || copy(file, spool));
                copying.await.map_err(|_| TypedError::Internal)?.map_err(too_large)
            }
            Self::Named(Named::Object(key)) => {
                let objects = shared.objects().ok_or(TypedError::Internal)?;
                let stat = objects.stat(&key).await?;
                let mut pieces = objects.stream(&stat, 0, stat.size).await?;
                let mut spool = spool;
                while let Some(piece) = pieces.try_next().await? {
                    spool = spool.with(piece).await.map_err(too_large)?;
                }
                Ok(spool)
            }
        }
    }
}

fn copy(mut file: std::fs::File, mut spool: Spool) -> io::Result<Spool> {
    io::copy(&mut file, &mut spool)?;
    spool.flush()?;
    Ok(spool)
}

fn too_large(error: io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => TransferError::TooLarge(FILE_BYTES_MAX, "divide the file").into(),
        _ => scratch(error),
    }
}
