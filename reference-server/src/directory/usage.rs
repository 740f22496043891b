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
    /// Number of folders, which the quota of files holds as well.
    pub folders: u64,
}

impl Usage {
    /// How many files and folders may still be made.
    pub(super) fn room(&self, files: u64) -> u64 {
        files.saturating_sub(self.files).saturating_sub(self.folders)
    }
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
        let folder = kind == FileType::Directory;
        usage.folders += u64::from(folder);
        folder
    })?;
    Ok(usage)
}
