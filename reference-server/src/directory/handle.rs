//! Steps from handle to handle.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, fsync, mkdirat, openat, statat};
use rustix::io::{Errno, pread};

use super::stat::{self, Kind, Stat};
use super::{FileError, FilePath};

pub(super) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A pipe without a writer is not waited for, and a terminal does not become ours.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// New folders; the umask of the process takes away more.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o750);

/// Handle of the root.
pub(super) fn root(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, FOLDER, Mode::empty())
}

/// Handle of a folder within a folder.
pub(super) fn folder(at: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    openat(at, name, FOLDER, Mode::empty())
}

/// Handle of the folder that holds what `path` names, and its name there.
///
/// # Errors
/// See [`FileError`].
pub(super) fn parent<'p>(root: BorrowedFd<'_>, path: &'p FilePath) -> Result<(OwnedFd, &'p str), FileError> {
    descend(root, path, folder)
}

/// As [`parent`]; makes the folders that are missing.
///
/// # Errors
/// See [`FileError`].
pub(super) fn parent_made<'p>(root: BorrowedFd<'_>, path: &'p FilePath) -> Result<(OwnedFd, &'p str), FileError> {
    descend(root, path, |at, name| {
        match mkdirat(at, name, FOLDER_MODE) {
            // Else a file could be there after a crash, and its folder not.
            Ok(()) => fsync(at)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        folder(at, name)
    })
}

fn descend<'p>(
    root: BorrowedFd<'_>,
    path: &'p FilePath,
    step: impl Fn(BorrowedFd<'_>, &str) -> Result<OwnedFd, Errno>,
) -> Result<(OwnedFd, &'p str), FileError> {
    let failed = |errno| FileError::of(errno, path);
    let mut at = root.try_clone_to_owned().map_err(FileError::Io)?;
    let mut segments = path.as_str().split('/');
    let name = segments.next_back().unwrap_or_default();
    for segment in segments {
        at = step(at.as_fd(), segment).map_err(failed)?;
    }
    Ok((at, name))
}

/// Handle of a regular file.
///
/// # Errors
/// See [`FileError`].
pub(super) fn file(root: BorrowedFd<'_>, path: &FilePath) -> Result<(File, Stat), FileError> {
    let failed = |errno| FileError::of(errno, path);
    let (folder, name) = parent(root, path)?;
    // Before it is opened, since opening alone moves some devices; and again, since it may be another one by then.
    let before = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    stat::regular(&before, path)?;
    let opened = openat(&folder, name, FILE, Mode::empty()).map_err(failed)?;
    let stat = stat::regular(&fstat(&opened).map_err(failed)?, path)?;
    debug_assert_eq!(stat.kind, Kind::File);
    Ok((File::from(opened), stat))
}

/// At most `length` bytes from `offset` on.
pub(super) fn bytes(file: &File, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        let place = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        match pread(file, room, place) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
