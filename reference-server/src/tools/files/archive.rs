//! `archive_create`, `archive_list` and `archive_extract`: ZIP files of files of the served directory.

mod create;
mod extract;
mod list;

use tokio::sync::Semaphore;
use zip::result::ZipError;

use super::super::Entry;

/// Entries of an archive.
const ENTRIES_MAX: usize = 1_000;

/// Archives at work at once: each takes a core.
static AT_WORK: Semaphore = Semaphore::const_new(2);

/// Why an archive was not made or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not a ZIP file, a broken one, or one with what is not supported.
    #[error("not an archive that can be read: {0}")]
    Unreadable(#[from] ZipError),
    /// More entries than are worked on.
    #[error("an archive may have {ENTRIES_MAX} entries")]
    TooMany,
    /// Nothing to put into it.
    #[error("no file was named")]
    Nothing,
    /// An entry that leads elsewhere, is no file, or has a name that is not served.
    #[error("the entry {0:?} is refused: only regular files with plain relative paths are unpacked")]
    Entry(String),
    /// More bytes than its directory told.
    #[error("the entry {0:?} is larger than it claims")]
    Lies(String),
    /// Two entries with one name.
    #[error("the archive has {0:?} twice")]
    Twice(String),
}

impl ArchiveError {
    /// The stable code of the failure.
    pub(in crate::tools) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::Lies(_) => "invalid_archive",
            Self::TooMany => "archive_too_large",
            Self::Nothing => "invalid_arguments",
            Self::Entry(_) | Self::Twice(_) => "entry_refused",
        }
    }
}

pub(super) fn entries() -> [Entry; 3] {
    [create::entry(), list::entry(), extract::entry()]
}
