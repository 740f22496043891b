//! What is known about a file or folder.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, statat};

use super::{FileError, FilePath};

/// A file or a folder; nothing else is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// What is known about a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Where it is.
    pub path: FilePath,
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file; 0 for a folder.
    pub size: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified_at: i64,
    /// Changes with every write. Opaque.
    pub revision: String,
}

impl Stat {
    /// The media type that the name tells.
    #[must_use]
    pub fn media_type(&self) -> String {
        mime_guess::from_path(self.path.name()).first_or_octet_stream().essence_str().to_owned()
    }
}

/// What is at a name of a folder, if it is served.
///
/// # Errors
/// See [`FileError`].
pub(super) fn at(folder: BorrowedFd<'_>, name: &str, path: &FilePath) -> Result<Stat, FileError> {
    let raw = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| FileError::of(errno, path))?;
    of(&raw, path).ok_or_else(|| FileError::NotRegular(path.clone()))
}

/// A regular file, or a refusal.
///
/// # Errors
/// [`FileError::NotRegular`].
pub(super) fn regular(raw: &rustix::fs::Stat, path: &FilePath) -> Result<Stat, FileError> {
    of(raw, path).filter(|stat| stat.kind == Kind::File).ok_or_else(|| FileError::NotRegular(path.clone()))
}

/// `None` for what is neither a file nor a folder.
pub(super) fn of(raw: &rustix::fs::Stat, path: &FilePath) -> Option<Stat> {
    let kind = match FileType::from_raw_mode(raw.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        _ => return None,
    };
    let size = if kind == Kind::File { u64::try_from(raw.st_size).unwrap_or_default() } else { 0 };
    let milliseconds = i64::try_from(raw.st_mtime_nsec).unwrap_or_default() / 1_000_000;
    Some(Stat {
        path: path.clone(),
        kind,
        size,
        modified_at: raw.st_mtime.saturating_mul(1_000).saturating_add(milliseconds),
        // A write makes a new file: another inode, unless the old one's number is given out again at the same instant.
        revision: format!("{:x}-{:x}-{:x}-{:x}", raw.st_ino, raw.st_mtime, raw.st_mtime_nsec, raw.st_size),
    })
}
