//! A directory of the host that callers read and write in, and nothing outside it.
//!
//! In: checked paths. Out: files, or parts of them, and pages of what is there. Refusals: [`FileError`].
//! Invariants: every step from the root is opened by the handle of the folder before it and follows no symbolic link, so
//! that nothing outside is reached, even while somebody exchanges folders for links; only regular files are opened; a
//! write is there as a whole or not at all; a file is replaced only by who names the revision that is there.
//! Names that are no path here (see [`crate::storage::path`]) are not served, among them those of unfinished writes.

mod handle;
mod list;
mod stat;
mod upload;
mod usage;
mod watch;
mod write;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

pub use list::Listing;
pub use stat::{Kind, Stat};
pub use upload::Upload;
pub use usage::Usage;
pub use watch::Watch;
pub use write::Condition;

use crate::storage::Page;
use crate::storage::path::{Scheme, StoredPath};

/// Files of a served directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfFile;

impl Scheme for OfFile {
    const PREFIX: &'static str = "file:///";
}

/// The path of a file or folder, from the served directory on.
pub type FilePath = StoredPath<OfFile>;

/// What may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Largest file, in bytes.
    pub file_bytes: u64,
    /// All files together, in bytes.
    pub total_bytes: u64,
    /// Number of files and folders.
    pub files: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { file_bytes: 16 << 20, total_bytes: 1 << 30, files: 100_000 }
    }
}

/// Why the directory cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the directory {path}: {source}")]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing at this path.
    #[error("nothing at {0}")]
    NotFound(FilePath),
    /// A folder, a device, a pipe, a symbolic link, or a path through one.
    #[error("{0} is not a regular file, or a symbolic link is on the way; links are not followed")]
    NotRegular(FilePath),
    /// Not a folder.
    #[error("{0} is not a folder; symbolic links are not followed")]
    NotFolder(FilePath),
    /// Something is there already.
    #[error("something is at {0} already; name its revision to replace it")]
    Exists(FilePath),
    /// Someone else was faster.
    #[error("{path} is at revision {current}, not at the expected one; read it again and decide anew")]
    Conflict {
        /// The file.
        path: FilePath,
        /// The revision that is there.
        current: String,
    },
    /// Beyond the largest file.
    #[error("a file may have {0} bytes")]
    TooLarge(u64),
    /// Beyond what all files may have.
    #[error("the directory is full: {0}")]
    Quota(&'static str),
    /// No room on the disk.
    #[error("the disk has no room left; nothing was changed")]
    Full,
    /// The file is there, and may be gone after a power failure.
    #[error("{path} was written as revision {revision}, but the disk did not confirm that it stays", path = .0.path, revision = .0.revision)]
    Unconfirmed(Box<Stat>),
    /// Deeper, or with a longer name, than is served.
    #[error("a file's path has at most {max} segments of 255 bytes each", max = handle::SEGMENTS_MAX)]
    Name,
    /// A range that begins behind the end.
    #[error("the file has {0} bytes; the range begins behind them")]
    Range(u64),
    /// Not a pattern.
    #[error("not a pattern: {0}")]
    Pattern(String),
    /// The operating system failed; what exactly is for the log, not for the caller.
    #[error("the directory cannot be used at the moment")]
    Io(#[source] io::Error),
}

impl FileError {
    /// The stable code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "file_not_found",
            Self::Name => "invalid_path",
            Self::NotRegular(_) => "not_a_file",
            Self::NotFolder(_) => "not_a_folder",
            Self::Exists(_) => "file_exists",
            Self::Conflict { .. } => "revision_conflict",
            Self::TooLarge(_) => "file_too_large",
            Self::Quota(_) | Self::Full => "directory_full",
            Self::Range(_) => "invalid_range",
            Self::Pattern(_) => "invalid_pattern",
            Self::Unconfirmed(_) => "write_unconfirmed",
            Self::Io(_) => "directory_unavailable",
        }
    }

    /// What an error of the operating system means for this path.
    fn of(errno: Errno, path: &FilePath) -> Self {
        match errno {
            Errno::NOENT => Self::NotFound(path.clone()),
            Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => Self::NotRegular(path.clone()),
            Errno::EXIST => Self::Exists(path.clone()),
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Self::Full,
            other => {
                let error = io::Error::from(other);
                tracing::warn!(%error, %path, "the served directory failed");
                Self::Io(error)
            }
        }
    }
}

/// A served directory. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: OwnedFd,
    path: PathBuf,
    quota: Quota,
    /// Held during every change, so that what a write compares stays what it replaces.
    usage: Arc<Mutex<Usage>>,
}

impl Inner {
    fn usage(&self) -> MutexGuard<'_, Usage> {
        // A panic elsewhere leaves at worst a wrong count, which the next look at the directory mends.
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Serves what is in `path`, which must be there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, quota: Quota) -> Result<Self, OpenError> {
        let failed = |source: io::Error| OpenError { path: path.to_owned(), source };
        let path = path.canonicalize().map_err(failed)?;
        let root = handle::root(&path).map_err(|errno| failed(errno.into()))?;
        write::clean(root.as_fd()).map_err(|errno| failed(errno.into()))?;
        let usage = usage::look(root.as_fd()).map_err(|errno| failed(errno.into()))?;
        Ok(Self(Arc::new(Inner { root, path, quota, usage: Arc::new(Mutex::new(usage)) })))
    }

    /// The same directory with another quota. What is counted, and who changes something, both share.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn with_quota(&self, quota: Quota) -> Result<Self, OpenError> {
        let (path, usage) = (self.0.path.clone(), Arc::clone(&self.0.usage));
        let root = self.0.root.try_clone().map_err(|source| OpenError { path: path.clone(), source })?;
        Ok(Self(Arc::new(Inner { root, path, quota, usage })))
    }

    /// Whether this is what `path` leads to.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|path| path == self.0.path)
    }

    /// What is stored.
    #[must_use]
    pub fn usage(&self) -> Usage {
        *self.0.usage()
    }

    /// What may be stored.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.0.quota
    }

    /// Whether the directory can be used: it is still where it was, and is not another one.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub async fn check(&self) -> Result<(), FileError> {
        self.blocking(|inner| {
            let failed = |errno: Errno| FileError::Io(errno.into());
            let there = handle::root(&inner.path).and_then(rustix::fs::fstat).map_err(failed)?;
            let served = rustix::fs::fstat(&inner.root).map_err(failed)?;
            if (there.st_dev, there.st_ino) == (served.st_dev, served.st_ino) {
                return Ok(());
            }
            Err(FileError::Io(io::Error::other("another directory is at its place")))
        })
        .await
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn stat(&self, path: &FilePath) -> Result<Stat, FileError> {
        let path = path.clone();
        self.blocking(move |inner| {
            let (folder, name) = handle::parent(inner.root.as_fd(), &path)?;
            stat::at(folder.as_fd(), name, &path)
        })
        .await
    }

    /// A file, open for reading, as it was when it was opened: a write replaces it and does not change it.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn file(&self, path: &FilePath) -> Result<(std::fs::File, Stat), FileError> {
        let path = path.clone();
        self.blocking(move |inner| handle::file(inner.root.as_fd(), &path)).await
    }

    /// At most `length` bytes of a file from `offset` on.
    ///
    /// # Errors
    /// See [`FileError`]; [`FileError::Range`] where `offset` is behind the end.
    pub async fn read(&self, path: &FilePath, offset: u64, length: usize) -> Result<(Stat, Vec<u8>), FileError> {
        let path = path.clone();
        self.blocking(move |inner| {
            let (file, stat) = handle::file(inner.root.as_fd(), &path)?;
            if offset > stat.size {
                return Err(FileError::Range(stat.size));
            }
            let bytes = handle::bytes(&file, offset, length).map_err(|errno| FileError::of(errno, &path))?;
            Ok((stat, bytes))
        })
        .await
    }

    /// Stores a file, and the folders on the way to it.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn write(&self, path: &FilePath, content: Vec<u8>, condition: Condition) -> Result<Stat, FileError> {
        let path = path.clone();
        self.blocking(move |inner| write::write(inner, &path, &content, &condition)).await
    }

    /// Removes a file; returns what it was.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn delete(&self, path: &FilePath, revision: Option<String>) -> Result<Stat, FileError> {
        let path = path.clone();
        self.blocking(move |inner| write::delete(inner, &path, revision.as_deref())).await
    }

    /// A page of what `listing` asks for, in the order of paths, from behind `after` on.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn list(&self, listing: Listing, after: Option<String>, limit: u32) -> Result<Page<Stat>, FileError> {
        self.blocking(move |inner| list::page(inner.root.as_fd(), &listing, after.as_deref(), limit)).await
    }

    /// Looks at the directory anew and counts what others stored or removed.
    fn count(&self) {
        let mut usage = self.0.usage();
        match usage::look(self.0.root.as_fd()) {
            Ok(seen) => *usage = seen,
            Err(errno) => tracing::warn!(error = %io::Error::from(errno), "the served directory was not counted"),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(FileError::Io(io::Error::other(error))))
    }
}

#[cfg(test)]
mod tests;
