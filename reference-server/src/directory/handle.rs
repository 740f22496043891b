//! Steps from handle to handle.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, fsync, mkdirat, openat, statat, unlinkat};
use rustix::io::{Errno, pread};

use super::list::DEPTH_MAX;
use super::stat::{self, Kind, Stat};
use super::{FileError, FilePath};

pub(super) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A pipe without a writer is not waited for, and a terminal does not become ours.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Segments of a path: what a walk sees, so that nothing is stored which is not counted.
pub(super) const SEGMENTS_MAX: usize = DEPTH_MAX;

/// Bytes of a name in the usual file systems.
pub(super) const NAME_BYTES_MAX: usize = 255;

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

/// As [`parent`]; makes the folders that are missing, and counts them in `made`.
///
/// # Errors
/// See [`FileError`]; [`FileError::Quota`] where more than `room` would have to be made.
pub(super) fn parent_made<'p>(
    root: BorrowedFd<'_>,
    path: &'p FilePath,
    room: u64,
    made: &mut u64,
) -> Result<(OwnedFd, &'p str), FileError> {
    let missing = missing(root, path)?;
    if missing > room {
        return Err(super::write::no_more_files());
    }
    descend(root, path, |at, name| {
        match mkdirat(at, name, FOLDER_MODE) {
            // Else a file could be there after a crash, and its folder not.
            Ok(()) => {
                *made += 1;
                fsync(at)?;
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        folder(at, name)
    })
}

/// How many folders on the way are not there.
fn missing(root: BorrowedFd<'_>, path: &FilePath) -> Result<u64, FileError> {
    let mut there = 0;
    let outcome = descend(root, path, |at, name| {
        let folder = folder(at, name)?;
        there += 1;
        Ok(folder)
    });
    let all = u64::try_from(path.as_str().split('/').count().saturating_sub(1)).unwrap_or(u64::MAX);
    match outcome {
        Ok(_) => Ok(0),
        Err(FileError::NotFound(_)) => Ok(all.saturating_sub(there)),
        Err(error) => Err(error),
    }
}

/// Removes the folders on the way that hold nothing any more, at most so many; returns how many.
pub(super) fn prune(root: BorrowedFd<'_>, path: &FilePath, most: u64) -> u64 {
    let mut removed = 0;
    let mut rest = path.as_str();
    while let Some((folder, _)) = rest.rsplit_once('/').filter(|_| removed < most) {
        rest = folder;
        let Some(path) = FilePath::parse(folder).ok() else { break };
        match parent(root, &path).map(|(at, name)| unlinkat(&at, name, AtFlags::REMOVEDIR)) {
            Ok(Ok(())) => removed += 1,
            // It was never made; those above it may have been.
            Ok(Err(Errno::NOENT)) | Err(FileError::NotFound(_)) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    removed
}

fn descend<'p>(
    root: BorrowedFd<'_>,
    path: &'p FilePath,
    mut step: impl FnMut(BorrowedFd<'_>, &str) -> Result<OwnedFd, Errno>,
) -> Result<(OwnedFd, &'p str), FileError> {
    let failed = |errno| FileError::of(errno, path);
    if path.as_str().split('/').count() > SEGMENTS_MAX
        || path.as_str().split('/').any(|name| name.len() > NAME_BYTES_MAX)
    {
        return Err(FileError::Name);
    }
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
