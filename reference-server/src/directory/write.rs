//! Changes: each whole or not at all, and within the quota.

use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, fstat, fsync, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::{Errno, write as write_some};

use super::list::walk;
use super::stat::{self, Kind, Stat};
use super::usage::Usage;
use super::{FileError, FilePath, Inner, handle};

pub(super) const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// New files; the umask of the process takes away more.
pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o640);

/// What the names of unfinished writes begin with.
const UNFINISHED: &str = "#doorward-";

/// A write that is older has no writer any more, in seconds.
const UNFINISHED_S: i64 = 3_600;

/// When a write may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is there.
    Absent,
    /// The file that is there has this revision.
    Revision(String),
}

pub(super) fn write(inner: &Inner, path: &FilePath, content: &[u8], condition: &Condition) -> Result<Stat, FileError> {
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if size > inner.quota.file_bytes {
        return Err(FileError::TooLarge(inner.quota.file_bytes));
    }
    let mut usage = inner.usage();
    // Before folders are made for it.
    let after = replacing(inner, path, condition)?.map_or(*usage, |old| without(*usage, &old));
    if after.room(inner.quota.files) == 0 {
        return Err(no_more_files());
    }
    let after = Usage { files: after.files + 1, bytes: after.bytes.saturating_add(size), ..after };
    if after.bytes > inner.quota.total_bytes {
        return Err(no_more_bytes());
    }
    let mut made = 0;
    let stored = handle::parent_made(inner.root.as_fd(), path, after.room(inner.quota.files), &mut made)
        .and_then(|(folder, name)| place(folder.as_fd(), name, path, content, condition));
    match stored {
        // There it is, whatever the disk says.
        Ok(_) | Err(FileError::Unconfirmed(_)) => *usage = Usage { folders: after.folders + made, ..after },
        Err(_) if made > 0 => {
            usage.folders = (usage.folders + made).saturating_sub(handle::prune(inner.root.as_fd(), path, made))
        }
        Err(_) => {}
    }
    stored
}

pub(super) fn no_more_files() -> FileError {
    FileError::Quota("it may hold no more files")
}

pub(super) fn no_more_bytes() -> FileError {
    FileError::Quota("its files may have no more bytes together")
}

pub(super) fn delete(inner: &Inner, path: &FilePath, revision: Option<&str>) -> Result<Stat, FileError> {
    let mut usage = inner.usage();
    let (folder, name) = handle::parent(inner.root.as_fd(), path)?;
    let found = stat::at(folder.as_fd(), name, path)?;
    if found.kind != Kind::File {
        return Err(FileError::NotRegular(path.clone()));
    }
    if let Some(expected) = revision {
        check(&found, expected)?;
    }
    unlinkat(&folder, name, AtFlags::empty()).map_err(|errno| FileError::of(errno, path))?;
    *usage = without(*usage, &found);
    usage.folders = usage.folders.saturating_sub(handle::prune(inner.root.as_fd(), path, u64::MAX));
    Ok(found)
}

/// The file at a path, where one is.
pub(super) fn there(inner: &Inner, path: &FilePath) -> Result<Option<Stat>, FileError> {
    let found =
        handle::parent(inner.root.as_fd(), path).and_then(|(folder, name)| stat::at(folder.as_fd(), name, path));
    match found {
        Ok(found) if found.kind == Kind::File => Ok(Some(found)),
        Ok(_) => Err(FileError::NotRegular(path.clone())),
        Err(FileError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file that a write replaces.
pub(super) fn replacing(inner: &Inner, path: &FilePath, condition: &Condition) -> Result<Option<Stat>, FileError> {
    let found = match handle::parent(inner.root.as_fd(), path) {
        Ok((folder, name)) => stat::at(folder.as_fd(), name, path),
        Err(FileError::NotFound(_)) => Err(FileError::NotFound(path.clone())),
        Err(error) => return Err(error),
    };
    match (found, condition) {
        (Err(FileError::NotFound(_)), Condition::Absent) => Ok(None),
        (Err(FileError::NotRegular(_)) | Ok(_), Condition::Absent) => Err(FileError::Exists(path.clone())),
        (Ok(found), Condition::Revision(expected)) if found.kind == Kind::File => {
            check(&found, expected)?;
            Ok(Some(found))
        }
        (Ok(_), Condition::Revision(_)) => Err(FileError::NotRegular(path.clone())),
        (Err(error), _) => Err(error),
    }
}

fn check(found: &Stat, expected: &str) -> Result<(), FileError> {
    if found.revision == expected {
        return Ok(());
    }
    Err(FileError::Conflict { path: found.path.clone(), current: found.revision.clone() })
}

pub(super) fn without(usage: Usage, old: &Stat) -> Usage {
    Usage { files: usage.files.saturating_sub(1), bytes: usage.bytes.saturating_sub(old.size), ..usage }
}

/// Writes beside the place and then moves there, so that nobody meets half a file.
///
/// # Errors
/// [`FileError::Unconfirmed`] where it is there and the folder could not be written to the disk; after any other, nothing
/// has changed.
pub(super) fn place(
    folder: BorrowedFd<'_>,
    name: &str,
    path: &FilePath,
    content: &[u8],
    condition: &Condition,
) -> Result<Stat, FileError> {
    let beside = unserved_name()?;
    let placed = write_whole(folder, &beside, content, path)
        .and_then(|stat| move_to(folder, &beside, name, *condition == Condition::Absent).map(|()| stat));
    let stat = placed.map_err(|errno| {
        // Nothing to do where it is not there either.
        let _ = unlinkat(folder, &*beside, AtFlags::empty());
        FileError::of(errno, path)
    })?;
    confirmed(folder, stat)
}

/// What was moved to its place, once the folder is on the disk.
///
/// # Errors
/// [`FileError::Unconfirmed`].
pub(super) fn confirmed(folder: BorrowedFd<'_>, stat: Stat) -> Result<Stat, FileError> {
    match fsync(folder) {
        Ok(()) => Ok(stat),
        Err(errno) => {
            let error = std::io::Error::from(errno);
            tracing::error!(%error, path = %stat.path, "a file was written, and the disk did not confirm it");
            Err(FileError::Unconfirmed(Box::new(stat)))
        }
    }
}

/// Moves what was written beside a place to it.
pub(super) fn move_to(folder: BorrowedFd<'_>, beside: &str, name: &str, absent: bool) -> Result<(), Errno> {
    if absent {
        renameat_with(folder, beside, folder, name, RenameFlags::NOREPLACE)
    } else {
        renameat(folder, beside, folder, name)
    }
}

/// Writes a whole file to the disk; returns what it is, which a move does not change.
fn write_whole(folder: BorrowedFd<'_>, name: &str, mut content: &[u8], path: &FilePath) -> Result<Stat, Errno> {
    let file = openat(folder, name, NEW, FILE_MODE)?;
    while !content.is_empty() {
        match write_some(&file, content) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(count) => content = content.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    fsync(&file)?;
    stat::of(&fstat(&file)?, path).ok_or(Errno::IO)
}

/// A name that no path can hold, so that it is neither listed nor read.
pub(super) fn unserved_name() -> Result<String, FileError> {
    let number = getrandom::u64().map_err(|error| FileError::Io(std::io::Error::other(error)))?;
    Ok(format!("{UNFINISHED}{number:016x}"))
}

/// Removes what writes left that never came to their end.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn clean(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let old = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(UNFINISHED_S);
    walk(root, &mut |seen| {
        let kind = FileType::from_raw_mode(seen.raw.st_mode);
        let ours = seen.name.to_bytes().starts_with(UNFINISHED.as_bytes()) && kind == FileType::RegularFile;
        if ours && seen.raw.st_mtime < old {
            // Somebody else may have been faster.
            let _ = unlinkat(seen.folder, seen.name, AtFlags::empty());
        }
        kind == FileType::Directory
    })
}
