//! How much is stored.

use std::os::fd::BorrowedFd;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::list::walk;

/// Regular files and their bytes. Names that are not served count as well: they take room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Counts the whole directory.
pub(super) fn look(root: BorrowedFd<'_>) -> Result<Usage, Errno> {
    let mut usage = Usage::default();
    walk(root, &mut |seen| {
        let kind = FileType::from_raw_mode(seen.raw.st_mode);
        if kind == FileType::RegularFile {
            usage.files += 1;
            usage.bytes = usage.bytes.saturating_add(u64::try_from(seen.raw.st_size).unwrap_or_default());
        }
        kind == FileType::Directory
    })?;
    Ok(usage)
}
