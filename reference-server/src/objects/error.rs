//! Why an object was not read or written.

use super::ObjectKey;
use crate::directory::FileError;

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Nothing at this key.
    #[error("no object at {0}")]
    NotFound(ObjectKey),
    /// Something is there already.
    #[error("an object is at {0} already; name its ETag to replace it")]
    Exists(ObjectKey),
    /// Someone else was faster.
    #[error("{key} has another ETag than the expected one; read it again and decide anew")]
    Conflict {
        /// The object.
        key: ObjectKey,
        /// The ETag that it has, where that is known.
        current: Option<String>,
    },
    /// The store cannot keep this condition.
    #[error("{0}")]
    Condition(&'static str),
    /// Not an ETag.
    #[error("this is no ETag that the store gave out")]
    Etag,
    /// Beyond the largest object.
    #[error("an object may have {0} bytes")]
    TooLarge(u64),
    /// Beyond what all objects may have.
    #[error("the store is full: {0}")]
    Full(&'static str),
    /// A range that begins behind the end.
    #[error("the object has {0} bytes; the range begins behind them")]
    Range(u64),
    /// Not a media type.
    #[error("a media type is a type and a subtype, such as text/plain")]
    MediaType,
    /// Not the media type that the link was made for.
    #[error("this link takes {0} and nothing else")]
    OtherMediaType(String),
    /// The key leads to something that is no object, in a directory.
    #[error("{0} is not an object: a folder, or a symbolic link is on the way")]
    NotObject(ObjectKey),
    /// Who sends the content went away, or sends nothing any more.
    #[error("the content did not come to its end; nothing was stored")]
    Cut,
    /// What is kept is not what was written.
    #[error("the object at {0} is damaged")]
    Corrupt(ObjectKey),
    /// The store took too long. A write may have happened.
    #[error("the store of objects did not answer in time; look whether a write happened before you repeat it")]
    Timeout,
    /// As many writes as may be are under way.
    #[error("too many objects are being written at the moment; try again later")]
    Busy,
    /// The store refused the server's credentials.
    #[error("the store of objects refuses this server")]
    Refused,
    /// The store failed; what exactly is for the log, not for the caller.
    #[error("the store of objects cannot be used at the moment")]
    Unavailable,
    /// No address that links could have.
    #[error("this server has no address for links: its operator gives one with --public-url")]
    NoLinks,
}

/// That a large object cannot be stored under a condition; see [`super::SINGLE_BYTES_MAX`].
pub(super) const NO_LARGE_CONDITION: &str = "this store takes more than 16 MiB in parts only, and those only \
    unconditionally; allow overwriting, or write less";

/// That an object cannot be deleted under a condition.
pub(super) const NO_CONDITIONAL_DELETE: &str =
    "this store deletes only unconditionally; leave the ETag away, or replace the object instead";

impl ObjectError {
    /// The stable code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "object_not_found",
            Self::Exists(_) => "object_exists",
            Self::Conflict { .. } => "revision_conflict",
            Self::Condition(_) => "condition_unsupported",
            Self::Etag => "invalid_etag",
            Self::TooLarge(_) => "object_too_large",
            Self::Full(_) => "objects_full",
            Self::Range(_) => "invalid_range",
            Self::MediaType => "invalid_media_type",
            Self::OtherMediaType(_) => "media_type_refused",
            Self::NotObject(_) => "not_an_object",
            Self::Cut => "content_cut",
            Self::Corrupt(_) => "object_corrupt",
            Self::Timeout => "objects_timeout",
            Self::Busy => "objects_busy",
            Self::Refused => "objects_refused",
            Self::Unavailable => "objects_unavailable",
            Self::NoLinks => "links_unavailable",
        }
    }

    /// What an error of the directory means for this key.
    pub(super) fn of_file(error: FileError, key: &ObjectKey) -> Self {
        match error {
            FileError::NotFound(_) => Self::NotFound(key.clone()),
            FileError::NotRegular(_) | FileError::NotFolder(_) | FileError::Name => Self::NotObject(key.clone()),
            FileError::Exists(_) => Self::Exists(key.clone()),
            FileError::Conflict { current, .. } => Self::Conflict { key: key.clone(), current: Some(current) },
            FileError::TooLarge(bytes) => Self::TooLarge(bytes),
            FileError::Quota(reason) => Self::Full(reason),
            FileError::Full => Self::Full("the disk has no room left"),
            FileError::Range(size) => Self::Range(size),
            // A write may have happened, as this says.
            FileError::Unconfirmed(_) => Self::Timeout,
            FileError::Pattern(_) | FileError::Io(_) => Self::Unavailable,
        }
    }
}
